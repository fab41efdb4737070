import { Duplex } from 'node:stream';

/** A stream of which the other side stops reading when it is told to, as if all that the system holds were full. */
export class JammedStream extends Duplex {
  readonly #inner: Duplex;
  #isJammed = false;
  #held: (() => void) | null = null;

  constructor(inner: Duplex) {
    super({ allowHalfOpen: true });
    this.#inner = inner;
    inner.on('data', (chunk) => this.push(chunk) || inner.pause());
    inner.once('end', () => this.push(null));
    inner.once('close', () => this.destroy());
  }

  jam(): void {
    this.#isJammed = true;
  }

  free(): void {
    this.#isJammed = false;
    this.#held?.();
    this.#held = null;
  }

  override _read(): void {
    this.#inner.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    const write = () => void this.#inner.write(chunk, done);
    if (this.#isJammed) this.#held = write;
    else write();
  }

  override _final(done: () => void): void {
    this.#inner.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#inner.destroy();
    done(error);
  }
}
