/**
 * One TCP connection over a WebSocket, as a stream; ../tunnels.ts has the messages.
 *
 *     connecting --"open"--> open --"end" both ways--> closed
 *          \___________________\____ any fault: destroyed, and the other side told why
 *
 * Memory is bounded both ways: a message is sent when the one before has left, and while the reader is behind, nothing
 * is taken from the WebSocket.
 */
import { Duplex } from 'node:stream';
import { FogError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { TUNNEL_CLOSE, TUNNEL_END, TUNNEL_OPEN } from '../tunnels.ts';

/** The part of the `WebSocket` of `ws` that is used; its `maxPayload` is to be `LIMITS.tunnelFrameBytes`. */
export interface TunnelSocket {
  send(data: string | Uint8Array, sent: (error?: Error | null) => void): void;
  close(code: number, reason: string): void;
  terminate(): void;
  pause(): void;
  resume(): void;
  on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): unknown;
  on(event: 'close', listener: (code: number, reason: Buffer) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

export interface TunnelStreamOptions {
  /** Without a byte either way for this long it is given up. */
  idleMilliseconds: number;
}

/** A peer that does not answer the close handshake is cut. */
const CLOSE_MILLISECONDS = 1000;
/** A close frame has room for 123 bytes of reason; a character cut in half becomes one of three bytes. */
const REASON_BYTES = 120;

export class TunnelStream extends Duplex {
  /** When the other side has said that the connection stands. Rejects with `unavailable` when it does not come to that. */
  readonly opened: Promise<void>;
  readonly #socket: TunnelSocket;
  readonly #opened = Promise.withResolvers<void>();
  readonly #idle: NodeJS.Timeout;
  #isOpen = false;
  #hasEnded = false;
  #isClosed = false;

  constructor(socket: TunnelSocket, { idleMilliseconds }: TunnelStreamOptions) {
    super({ allowHalfOpen: true, highWaterMark: LIMITS.tunnelFrameBytes });
    this.#socket = socket;
    this.opened = this.#opened.promise;
    this.opened.catch(() => {}); // nobody may be waiting
    const given = `nothing moved for ${idleMilliseconds} ms`;
    this.#idle = setTimeout(() => this.destroy(new FogError('timed-out', given)), idleMilliseconds).unref();
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('close', (_code, reason) => this.#closed(reason.toString()));
    socket.on('error', (cause) => this.destroy(broken(cause.message, cause)));
  }

  /** Tells the other side that the connection stands; called once, by the side that made it. */
  open(): void {
    this.#isOpen = true;
    this.#send(TUNNEL_OPEN, (error) => {
      if (error !== null) this.destroy(error);
    });
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const part = chunk.subarray(0, LIMITS.tunnelFrameBytes);
    this.#send(part, (error) => {
      if (error !== null || part.length === chunk.length) done(error);
      else this._write(chunk.subarray(part.length), encoding, done);
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#send(TUNNEL_END, done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#idle);
    const hasFinished = this.#hasEnded && this.writableFinished;
    const reason = error?.message ?? (hasFinished ? '' : 'the connection was cut');
    this.#opened.reject(error ?? broken(reason));
    if (!this.#isClosed) {
      const isClean = hasFinished && error === null;
      const code = isClean ? TUNNEL_CLOSE.ended : TUNNEL_CLOSE.broken;
      this.#socket.close(code, Buffer.from(reason).subarray(0, REASON_BYTES).toString());
      if (!isClean) setTimeout(() => this.#socket.terminate(), CLOSE_MILLISECONDS).unref();
      // What is still on its way is read and dropped, or else the answer to the close is never seen.
      this.#socket.resume();
    }
    done(error);
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.destroyed) return;
    const control = isBinary ? null : data.toString();
    if (control === TUNNEL_OPEN && !this.#isOpen) {
      this.#isOpen = true;
      this.#opened.resolve();
    } else if (!this.#isOpen || this.#hasEnded || (control !== null && control !== TUNNEL_END)) {
      this.destroy(new FogError('protocol-violation', 'a message that does not belong into a tunnel'));
    } else if (control === TUNNEL_END) {
      this.#hasEnded = true;
      this.push(null);
    } else {
      this.#idle.refresh();
      if (data.length > 0 && !this.push(data)) this.#socket.pause();
    }
  }

  #closed(reason: string): void {
    this.#isClosed = true;
    // What came before the end is still to be read; a side that wanted to send more learns of it when it does.
    if (!this.#hasEnded) this.destroy(broken(reason === '' ? 'the other side has gone' : reason));
  }

  #send(message: string | Uint8Array, sent: (error: FogError | null) => void): void {
    if (this.#isClosed) return sent(broken('the other side has closed it'));
    this.#socket.send(message, (error) => {
      this.#idle.refresh();
      sent(error ? broken(error.message, error) : null);
    });
  }
}

function broken(why: string, cause?: Error): FogError {
  return new FogError('unavailable', why, cause === undefined ? {} : { cause });
}
