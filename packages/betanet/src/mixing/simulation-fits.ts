/** Whether a simulation's delays and the gaps between its packets are what they are meant to be. */
import { chiSquared, type Fit } from './chi-squared.ts';
import { type DelayDistribution, delayProbability } from './exponential.ts';
import { STREAM_NAMES, type StreamName, type StreamRates } from './sending-plan.ts';

/** Fewer say nothing. */
const LEAST_COUNT = 100;
/** Cells for gaps, of equal probability. */
const GAP_CELLS = 20;

/** Delays by whole milliseconds. */
export class DelayCounts {
  readonly #distribution: DelayDistribution;
  readonly #seen: number[];

  constructor(distribution: DelayDistribution) {
    this.#distribution = distribution;
    this.#seen = new Array<number>(distribution.capMilliseconds + 1).fill(0);
  }

  add(delayMilliseconds: number): void {
    this.#seen[delayMilliseconds] = (this.#seen[delayMilliseconds] ?? 0) + 1;
  }

  /** Against the exponential distribution truncated at the cap and rounded to milliseconds; null while there are few. */
  fit(): Fit | null {
    const count = this.#seen.reduce((sum, number) => sum + number, 0);
    if (count < LEAST_COUNT) return null;
    return chiSquared(
      this.#seen,
      this.#seen.map((_, delay) => count * delayProbability(this.#distribution, delay)),
    );
  }
}

/**
 * Gaps between the slots of Poisson streams, which are exponential. The longest cell begins at ln(20) means and has no
 * end; only gaps that began so long before the watch ends are counted. So each is known to be in its cell, whether it
 * has ended or not: to count those that have ended would favour the short ones.
 */
export class GapCounts {
  readonly #streams: Readonly<Record<StreamName, { meanMilliseconds: number; lastAt: Float64Array; seen: number[] }>>;
  readonly #untilMilliseconds: number;

  /** All streams begin at 0, and are watched until then at least. */
  constructor(rates: StreamRates, clients: number, untilMilliseconds: number) {
    const stream = (packetsPerSecond: number) => ({
      meanMilliseconds: 1000 / packetsPerSecond,
      lastAt: new Float64Array(clients),
      seen: new Array<number>(GAP_CELLS).fill(0),
    });
    this.#streams = { payload: stream(rates.payload), loop: stream(rates.loop), drop: stream(rates.drop) };
    this.#untilMilliseconds = untilMilliseconds;
  }

  slot(client: number, stream: StreamName, atMilliseconds: number): void {
    const { meanMilliseconds, lastAt, seen } = this.#streams[stream];
    const began = lastAt[client] as number;
    lastAt[client] = atMilliseconds;
    if (began > this.#lastBegin(stream)) return;
    const cell = Math.floor(-GAP_CELLS * Math.expm1(-(atMilliseconds - began) / meanMilliseconds));
    const at = Math.min(cell, GAP_CELLS - 1);
    seen[at] = (seen[at] ?? 0) + 1;
  }

  /** At the end of the watch; null for a stream of too few gaps. */
  fits(): Record<StreamName, Fit | null> {
    const fits = STREAM_NAMES.map((stream) => [stream, this.#fit(stream)] as const);
    return Object.fromEntries(fits) as Record<StreamName, Fit | null>;
  }

  #fit(stream: StreamName): Fit | null {
    const { lastAt, seen } = this.#streams[stream];
    const lastBegin = this.#lastBegin(stream);
    const unfinished = lastAt.filter((at) => at <= lastBegin).length;
    const all = [...seen.slice(0, -1), (seen.at(-1) ?? 0) + unfinished];
    const count = all.reduce((sum, number) => sum + number, 0);
    if (count < LEAST_COUNT) return null;
    return chiSquared(all, new Array<number>(GAP_CELLS).fill(count / GAP_CELLS));
  }

  #lastBegin(stream: StreamName): number {
    return this.#untilMilliseconds - Math.log(GAP_CELLS) * this.#streams[stream].meanMilliseconds;
  }
}
