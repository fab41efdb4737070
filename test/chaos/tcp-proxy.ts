/** A network that can be broken: a TCP proxy on loopback through which one program reaches another. */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Direction } from './schedule.ts';

interface Pipe {
  near: Socket;
  far: Socket;
}

/**
 * Forwards connections to `target`, which may change.
 *
 *     up: from the program that dialled to the target; down: the way back
 *
 * Faults act on all present connections and, while they last, on new ones.
 */
export class TcpProxy {
  readonly #server: Server;
  readonly #pipes = new Set<Pipe>();
  /** Port on loopback; null while the target is down. */
  #target: number | null = null;
  #isCut = false;
  readonly #stalled = { up: 0, down: 0 };
  #delayMilliseconds = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (near) => this.#accept(near));
  }

  static async open(): Promise<TcpProxy> {
    const proxy = new TcpProxy(createServer({ allowHalfOpen: false, noDelay: true }));
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get connections(): number {
    return this.#pipes.size;
  }

  /** New connections go there; those that exist stay. */
  retarget(port: number | null): void {
    this.#target = port;
  }

  cut(): void {
    this.#isCut = true;
    this.dropConnections();
  }

  restore(): void {
    this.#isCut = false;
  }

  dropConnections(): void {
    for (const pipe of this.#pipes) destroy(pipe);
  }

  /** Bytes of that direction wait, with the back pressure of TCP, until `flow` is called as often. */
  stall(direction: Direction): void {
    this.#changeStall(direction, 1);
  }

  flow(direction: Direction): void {
    this.#changeStall(direction, -1);
  }

  delay(milliseconds: number): void {
    this.#delayMilliseconds = milliseconds;
  }

  /** Closes the near ends. The far ends get what was under way, and the news, after `milliseconds`. */
  halfOpen(milliseconds: number): void {
    for (const pipe of [...this.#pipes]) {
      const { near, far } = pipe;
      this.#pipes.delete(pipe);
      const late: Buffer[] = [];
      near.removeAllListeners('data');
      near.on('data', (chunk: Buffer) => late.push(chunk));
      near.removeAllListeners('close');
      far.removeAllListeners('data');
      far.on('data', () => {});
      // One turn of the event loop is left to the bytes that have arrived already.
      setImmediate(() => near.destroy());
      setTimeout(() => {
        if (!far.destroyed) far.end(Buffer.concat(late));
      }, milliseconds);
    }
  }

  /** Writes bytes into every connection, as if the other side had sent them. */
  inject(direction: 'up' | 'down', bytes: Uint8Array): void {
    for (const { near, far } of this.#pipes) (direction === 'up' ? far : near).write(bytes);
  }

  async close(): Promise<void> {
    this.dropConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #changeStall(direction: Direction, by: 1 | -1): void {
    if (direction !== 'down') this.#stalled.up += by;
    if (direction !== 'up') this.#stalled.down += by;
    for (const pipe of this.#pipes) this.#applyStall(pipe);
  }

  #applyStall({ near, far }: Pipe): void {
    if (this.#stalled.up > 0) near.pause();
    else near.resume();
    if (this.#stalled.down > 0) far.pause();
    else far.resume();
  }

  #accept(near: Socket): void {
    near.on('error', () => {});
    if (this.#isCut || this.#target === null) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    far.on('error', () => {});
    const pipe = { near, far };
    this.#pipes.add(pipe);
    this.#forward(near, far);
    this.#forward(far, near);
    for (const socket of [near, far]) {
      socket.on('close', () => {
        this.#pipes.delete(pipe);
        this.#later(() => destroy(pipe));
      });
    }
    this.#applyStall(pipe);
  }

  #forward(from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => {
      this.#later(() => {
        if (!to.destroyed && to.writable) to.write(chunk);
      });
    });
  }

  /** At once, or after the present delay. Equal delays keep the order; a delay that ends lets later bytes wait too. */
  #later(work: () => void): void {
    const due = Math.max(this.#lastDue, performance.now() + this.#delayMilliseconds);
    this.#lastDue = due;
    const rest = due - performance.now();
    if (rest <= 0) work();
    else setTimeout(work, rest);
  }

  #lastDue = 0;
}

function destroy({ near, far }: Pipe): void {
  near.destroy();
  far.destroy();
}
