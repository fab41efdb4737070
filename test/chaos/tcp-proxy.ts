/** A network that can be broken: a TCP proxy on loopback through which one program reaches another. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { ProxyPipe } from './proxy-pipe.ts';
import type { Direction } from './schedule.ts';

/**
 * Forwards connections to a target, which may change.
 *
 *     up: from the program that dialled to the target; down: the way back
 *
 * Faults act on all present connections and, while they last, on new ones.
 */
export class TcpProxy {
  readonly #server: Server;
  readonly #pipes = new Set<ProxyPipe>();
  /** Port on loopback; null while the target is down. */
  #target: number | null = null;
  /** Faults overlap: each counts until it is lifted. */
  #cuts = 0;
  readonly #stalls = { up: 0, down: 0 };
  readonly #delays: number[] = [];

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (near) => this.#accept(near));
  }

  static async open(): Promise<TcpProxy> {
    const proxy = new TcpProxy(createServer({ noDelay: true }));
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** New connections go there; those that exist stay. */
  retarget(port: number | null): void {
    this.#target = port;
  }

  /** Ends all connections and lets none in. Answers what lifts that. */
  cut(): () => void {
    this.#cuts += 1;
    for (const pipe of this.#pipes) pipe.destroy();
    return () => {
      this.#cuts -= 1;
    };
  }

  /** Bytes of that direction wait, with the back pressure of TCP. Answers what lifts that. */
  stall(direction: Direction): () => void {
    this.#changeStalls(direction, 1);
    return () => this.#changeStalls(direction, -1);
  }

  /** Every piece comes that much later. Answers what lifts that. */
  delay(milliseconds: number): () => void {
    this.#delays.push(milliseconds);
    return () => {
      this.#delays.splice(this.#delays.indexOf(milliseconds), 1);
    };
  }

  /** Closes the near ends. The far ends get what was under way, and then the end, later. */
  halfOpen(milliseconds: number): void {
    for (const pipe of this.#pipes) pipe.halfOpen(milliseconds);
  }

  /** Puts bytes into every connection as if the other side had sent them. */
  inject(direction: 'up' | 'down', bytes: Buffer): void {
    for (const pipe of this.#pipes) pipe.inject(direction, bytes);
  }

  async close(): Promise<void> {
    for (const pipe of this.#pipes) pipe.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #changeStalls(direction: Direction, by: 1 | -1): void {
    if (direction !== 'down') this.#stalls.up += by;
    if (direction !== 'up') this.#stalls.down += by;
    for (const pipe of this.#pipes) pipe.stall(this.#stalls.up > 0, this.#stalls.down > 0);
  }

  #accept(near: Socket): void {
    if (this.#cuts > 0 || this.#target === null) {
      near.on('error', () => {});
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    const pipe: ProxyPipe = new ProxyPipe(near, far, {
      delayMilliseconds: () => Math.max(0, ...this.#delays),
      onClose: () => this.#pipes.delete(pipe),
    });
    this.#pipes.add(pipe);
    if (this.#stalls.up > 0 || this.#stalls.down > 0) pipe.stall(this.#stalls.up > 0, this.#stalls.down > 0);
  }
}
