/** A Poisson stream of slots: when the next one comes depends on none before it, nor on what is sent in them. */
import { assertNumber } from './configured-number.ts';
import { drawIntervalMilliseconds } from './exponential.ts';
import { MIXING_LIMITS } from './limits.ts';
import type { RandomNumbers } from './random-numbers.ts';

export class PoissonStream {
  #packetsPerSecond: number;
  #nextAt: number;
  #gaps = 0;

  /** Throws `invalid-configuration` unless the rate is from 0 to `MIXING_LIMITS.streamPacketsPerSecond`. */
  constructor(packetsPerSecond: number, now: number, random: RandomNumbers) {
    assertRate(packetsPerSecond);
    this.#packetsPerSecond = packetsPerSecond;
    this.#nextAt = now + drawIntervalMilliseconds(packetsPerSecond, random);
  }

  get packetsPerSecond(): number {
    return this.#packetsPerSecond;
  }

  /** When the next slot comes, in milliseconds of the clock; infinite at a rate of zero. */
  get nextAtMilliseconds(): number {
    return this.#nextAt;
  }

  /** How often slots were left out because the sender was held up for longer than `catchUpMilliseconds`. */
  get gaps(): number {
    return this.#gaps;
  }

  /** Another rate from now on. The next slot is drawn anew, which an exponential waiting time does not show. */
  setRate(packetsPerSecond: number, now: number, random: RandomNumbers): void {
    assertRate(packetsPerSecond);
    this.#packetsPerSecond = packetsPerSecond;
    this.#nextAt = now + drawIntervalMilliseconds(packetsPerSecond, random);
  }

  /** Leaves out what is too late to be made up for. To be called before slots are taken. */
  skipMissed(now: number, random: RandomNumbers): void {
    const from = now - MIXING_LIMITS.catchUpMilliseconds;
    if (!(this.#nextAt < from)) return;
    this.#nextAt = from + drawIntervalMilliseconds(this.#packetsPerSecond, random);
    this.#gaps += 1;
  }

  /** Takes the next slot if its time has come, and draws the one after it. Answers its time, or null. */
  takeSlot(now: number, random: RandomNumbers): number | null {
    if (!(this.#nextAt <= now)) return null;
    const at = this.#nextAt;
    this.#nextAt = at + drawIntervalMilliseconds(this.#packetsPerSecond, random);
    return at;
  }
}

function assertRate(packetsPerSecond: number): void {
  assertNumber('the rate of a stream', packetsPerSecond, 0, MIXING_LIMITS.streamPacketsPerSecond);
}
