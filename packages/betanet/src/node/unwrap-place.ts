/**
 * Where packets are unwrapped: on the I/O thread while it keeps up, so that no packet waits for a thread to wake, and in
 * the threads while it does not.
 *
 *     here --a period without a pause for the I/O thread, at some rate--> threads
 *      ^                                                                    |
 *      '--a period at a rate well below that one, or for a try now and then-'
 *
 * Tries come ever more rarely while none of them lasts: what was too much when the program had just started is not later.
 */
import { NODE_LIMITS } from './limits.ts';

export class UnwrapPlace {
  readonly #busyShare: () => number;
  #begin = Number.NEGATIVE_INFINITY;
  #packets = 0;
  /** Packets a millisecond that were too many for the I/O thread alone; 0 while it keeps up. */
  #tooMany = 0;
  #changedAt = 0;
  #pause: number = NODE_LIMITS.unwrapTryLeastMilliseconds;

  /** `busyShare`: of the time since its last call, the part in which the I/O thread did not wait for anything. */
  constructor(busyShare: () => number) {
    this.#busyShare = busyShare;
  }

  /** So many packets have come. Says whether the threads are to have them. `now` is monotonic, in milliseconds. */
  areForThreads(packets: number, now: number): boolean {
    const elapsed = now - this.#begin;
    if (elapsed >= NODE_LIMITS.unwrapPeriodMilliseconds) this.#close(elapsed, now);
    this.#packets += packets;
    return this.#tooMany > 0;
  }

  #close(elapsed: number, now: number): void {
    const rate = this.#packets / elapsed;
    const isBusy = this.#busyShare() >= NODE_LIMITS.unwrapBusyShare;
    const lasted = now - this.#changedAt;
    if (this.#tooMany === 0 && isBusy) this.#change(rate, now, this.#pauseAfter(lasted));
    else if (this.#tooMany > 0) {
      const isCalm = rate < NODE_LIMITS.unwrapCalmShare * this.#tooMany;
      if (isCalm || lasted >= this.#pause) this.#change(0, now, this.#pause);
    }
    this.#begin = now;
    this.#packets = 0;
  }

  /** Until the next try, when the I/O thread has kept up for so long. */
  #pauseAfter(lasted: number): number {
    const { unwrapTryLeastMilliseconds: least, unwrapTryMostMilliseconds: most } = NODE_LIMITS;
    return lasted >= least ? least : Math.min(most, 2 * this.#pause);
  }

  #change(tooMany: number, now: number, pause: number): void {
    this.#tooMany = tooMany;
    this.#changedAt = now;
    this.#pause = pause;
  }
}

/** For an `UnwrapPlace` on this thread. */
export function loopBusyShare(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const present = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(present, last);
    last = present;
    return utilization;
  };
}
