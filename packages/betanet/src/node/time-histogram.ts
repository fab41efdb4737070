import { createHistogram } from 'node:perf_hooks';

/** Upper bounds of the buckets, in seconds: 1, 2, 5 in each power of ten, from a quick packet to the longest delay. */
export const TIME_BOUNDS_SECONDS = [
  0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50,
] as const;
const BOUNDS = Float64Array.from(TIME_BOUNDS_SECONDS, (seconds) => seconds * 1000);

/** Times of packets: counted in buckets for Prometheus, and finely for quantiles. A packet costs no memory. */
export class TimeHistogram {
  readonly #buckets = new Float64Array(BOUNDS.length + 1);
  readonly #fine = createHistogram();
  #sumMilliseconds = 0;

  /** What is below zero counts as zero. */
  record(milliseconds: number): void {
    const time = Math.max(0, milliseconds);
    let bucket = 0;
    while (bucket < BOUNDS.length && time > (BOUNDS[bucket] as number)) bucket += 1;
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1;
    this.#sumMilliseconds += time;
    // It takes whole numbers from 1.
    this.#fine.record(Math.max(1, Math.round(time * 1000)));
  }

  get count(): number {
    return this.#fine.count;
  }

  get sumSeconds(): number {
    return this.#sumMilliseconds / 1000;
  }

  /** How many were not above each bound, and last how many there are. */
  cumulative(): number[] {
    let sum = 0;
    return Array.from(this.#buckets, (count) => {
      sum += count;
      return sum;
    });
  }

  /** In milliseconds, to a thousandth of itself. 0 while there is nothing. */
  percentile(percent: number): number {
    return this.count === 0 ? 0 : this.#fine.percentile(percent) / 1000;
  }

  /** The usual ones, or null while there is nothing. */
  quantiles(): { p50: number; p99: number; p999: number } | null {
    if (this.count === 0) return null;
    return { p50: this.percentile(50), p99: this.percentile(99), p999: this.percentile(99.9) };
  }

  reset(): void {
    this.#buckets.fill(0);
    this.#fine.reset();
    this.#sumMilliseconds = 0;
  }
}
