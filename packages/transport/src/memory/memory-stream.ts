/**
 * Two streams in one process, joined crosswise. Bytes arrive in order after the delay of their direction; a writer is
 * held up while `TRANSPORT_LIMITS.memoryWindowBytes` are on their way or wait to be read.
 *
 *     open --end of one side--> half closed --end of the other--> closed
 *       \--------------------------\---- destroyed: the other side is destroyed as well, with an error
 */
import { Duplex } from 'node:stream';
import { FogError } from '@fog/contract';
import type { Clock, Timer } from '../clock.ts';
import { TRANSPORT_LIMITS } from '../limits.ts';

export interface MemoryLine {
  clock: Clock;
  /** Of one chunk. */
  delayMilliseconds: () => number;
}

type Done = (error?: Error | null) => void;

export class MemoryStream extends Duplex {
  readonly #line: MemoryLine;
  readonly #timers = new Set<Timer>();
  #peer: MemoryStream | null = null;
  #bytesUnderWay = 0;
  /** When the latest chunk arrives: none may overtake it. */
  #latestArrival = Number.NEGATIVE_INFINITY;
  #onRoom: Done | null = null;
  /** Bytes that arrived while nobody read. */
  #isFull = false;
  #hasEnded = false;

  constructor(line: MemoryLine) {
    super({ allowHalfOpen: true });
    this.on('error', () => {}); // as with TCP: whoever reads sees the end
    this.#line = line;
  }

  /** Each line carries what the stream of its place writes. */
  static pair(lines: readonly [MemoryLine, MemoryLine]): [MemoryStream, MemoryStream] {
    const pair: [MemoryStream, MemoryStream] = [new MemoryStream(lines[0]), new MemoryStream(lines[1])];
    [pair[0].#peer, pair[1].#peer] = [pair[1], pair[0]];
    return pair;
  }

  override _read(): void {
    this.#isFull = false;
    if (this.#peer !== null) this.#peer.#giveRoom();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#bytesUnderWay += chunk.length;
    this.#onRoom = done;
    this.#afterDelay(() => {
      this.#bytesUnderWay -= chunk.length;
      const peer = this.#peer;
      if (peer !== null && !peer.destroyed && !peer.push(chunk)) peer.#isFull = true;
      this.#giveRoom();
    });
    this.#giveRoom();
  }

  override _final(done: Done): void {
    this.#afterDelay(() => {
      const peer = this.#peer;
      if (peer === null || peer.destroyed) return;
      peer.#hasEnded = true;
      peer.push(null);
    });
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const isClean = error === null && this.#hasEnded && this.writableFinished;
    const peer = this.#peer;
    this.#onRoom = null;
    if (!isClean) {
      for (const timer of this.#timers) timer.cancel();
      this.#timers.clear();
      if (peer !== null) queueMicrotask(() => peer.destroy(new FogError('unavailable', 'the connection was cut')));
    }
    done(error);
  }

  #giveRoom(): void {
    const [done, peer] = [this.#onRoom, this.#peer];
    if (done === null || peer === null || peer.#isFull || this.#bytesUnderWay >= TRANSPORT_LIMITS.memoryWindowBytes)
      return;
    this.#onRoom = null;
    done();
  }

  #afterDelay(callback: () => void): void {
    const { clock, delayMilliseconds } = this.#line;
    const now = clock.now();
    const arrival = Math.max(now + delayMilliseconds(), this.#latestArrival);
    this.#latestArrival = arrival;
    if (arrival <= now && this.#timers.size === 0) return queueMicrotask(callback);
    const timer = clock.setTimer(Math.max(arrival - now, 0), () => {
      this.#timers.delete(timer);
      callback();
    });
    this.#timers.add(timer);
  }
}
