/**
 * The clock of the deterministic profile: starts at the submit time of the job and advances by one millisecond with
 * each reading, so that a program which waits by reading the clock comes to its end. Sleeping advances it at once.
 */
const TICK_NANOSECONDS = 1_000_000n;
const MAXIMUM_NANOSECONDS = (1n << 64n) - 1n;

export class VirtualClock {
  #nanoseconds: bigint;

  constructor(startMilliseconds: number) {
    this.#nanoseconds = BigInt(Math.max(0, Math.trunc(startMilliseconds))) * 1_000_000n;
  }

  /** Nanoseconds since 1970; the next reading is one millisecond later. */
  read(): bigint {
    const now = this.#nanoseconds;
    this.advanceTo(now + TICK_NANOSECONDS);
    return now;
  }

  /** The time without a reading, for timestamps of files. */
  peek(): bigint {
    return this.#nanoseconds;
  }

  /** Moves forward, never back; stops at the last value that 64 bits hold. */
  advanceTo(nanoseconds: bigint): void {
    if (nanoseconds <= this.#nanoseconds) return;
    this.#nanoseconds = nanoseconds < MAXIMUM_NANOSECONDS ? nanoseconds : MAXIMUM_NANOSECONDS;
  }

  readonly resolutionNanoseconds = TICK_NANOSECONDS;
}
