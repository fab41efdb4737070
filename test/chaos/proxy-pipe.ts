/** One connection through the proxy, with its faults. */
import type { Socket } from 'node:net';

/** One direction of a connection: pieces leave in the order in which they came, each at its time. */
class Lane {
  readonly #to: Socket;
  readonly #delayMilliseconds: () => number;
  #queue: { dueMilliseconds: number; chunk: Buffer | null }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #heldUntilMilliseconds = 0;

  constructor(to: Socket, delayMilliseconds: () => number) {
    this.#to = to;
    this.#delayMilliseconds = delayMilliseconds;
  }

  /** null is the end of the stream. */
  push(chunk: Buffer | null): void {
    const last = this.#queue.at(-1)?.dueMilliseconds ?? 0;
    const due = Math.max(last, this.#heldUntilMilliseconds, performance.now() + this.#delayMilliseconds());
    this.#queue.push({ dueMilliseconds: due, chunk });
    this.#pump();
  }

  /** Nothing more leaves before then. */
  hold(milliseconds: number): void {
    this.#heldUntilMilliseconds = performance.now() + milliseconds;
    for (const piece of this.#queue) {
      piece.dueMilliseconds = Math.max(piece.dueMilliseconds, this.#heldUntilMilliseconds);
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pump();
  }

  drop(): void {
    clearTimeout(this.#timer);
    this.#queue = [];
  }

  #pump(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const rest = next.dueMilliseconds - performance.now();
      if (rest > 0) {
        this.#timer ??= setTimeout(() => {
          this.#timer = undefined;
          this.#pump();
        }, rest);
        return;
      }
      this.#queue.shift();
      if (next.chunk === null) this.#to.end();
      else if (this.#to.writable) this.#to.write(next.chunk);
    }
  }
}

export interface PipeOptions {
  /** What a piece that comes now has to wait. */
  delayMilliseconds: () => number;
  /** Both ends are closed. */
  onClose: () => void;
}

/** `near` is the program that dialled, `far` the one it wanted to reach. Ends with both. */
export class ProxyPipe {
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #up: Lane;
  readonly #down: Lane;

  constructor(near: Socket, far: Socket, options: PipeOptions) {
    this.#near = near;
    this.#far = far;
    this.#up = new Lane(far, options.delayMilliseconds);
    this.#down = new Lane(near, options.delayMilliseconds);
    near.on('error', () => {});
    far.on('error', () => {});
    near.on('data', (chunk: Buffer) => this.#up.push(chunk));
    far.on('data', (chunk: Buffer) => this.#down.push(chunk));
    let open = 2;
    const closed = () => {
      open -= 1;
      if (open === 0) options.onClose();
    };
    near.on('close', () => {
      this.#up.push(null);
      closed();
    });
    far.on('close', () => {
      this.#down.push(null);
      closed();
    });
  }

  stall(up: boolean, down: boolean): void {
    if (up) this.#near.pause();
    else this.#near.resume();
    if (down) this.#far.pause();
    else this.#far.resume();
  }

  /** The near end is closed now. The far end gets what was under way, and then the end, later. */
  halfOpen(milliseconds: number): void {
    this.#up.hold(milliseconds);
    this.#down.drop();
    this.#near.resume();
    this.#far.resume();
    // One turn of the event loop is left to the bytes that have arrived already.
    setImmediate(() => this.#near.destroy());
  }

  inject(direction: 'up' | 'down', bytes: Buffer): void {
    (direction === 'up' ? this.#up : this.#down).push(bytes);
  }

  destroy(): void {
    this.#up.drop();
    this.#down.drop();
    this.#near.resetAndDestroy();
    this.#far.resetAndDestroy();
  }
}
