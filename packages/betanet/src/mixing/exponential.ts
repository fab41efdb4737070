/** Exponential waiting times: delays of packets at mixes, and the gaps between the packets of a Poisson stream. */
import { assertNumber, assertWholeNumber } from './configured-number.ts';
import { MIXING_LIMITS } from './limits.ts';
import type { RandomNumbers } from './random-numbers.ts';

export interface DelayDistribution {
  meanMilliseconds: number;
  /** The longest delay, a whole number. All of a network have one, so that a delay at the cap singles nobody out. */
  capMilliseconds: number;
}

/**
 * Throws `invalid-configuration` when the mean is not positive, or the cap below it: most draws would then be in vain,
 * and the delays nearly uniform.
 */
export function assertDelayDistribution({ meanMilliseconds, capMilliseconds }: DelayDistribution): void {
  assertWholeNumber('the cap of delays', capMilliseconds, 1, MIXING_LIMITS.wheelMilliseconds - 1);
  assertNumber('the mean delay', meanMilliseconds, Number.MIN_VALUE, capMilliseconds / MIXING_LIMITS.capOverMean);
}

/** An exponential waiting time of that mean: positive, without memory, in the unit of the mean. */
export function drawExponential(mean: number, random: RandomNumbers): number {
  return -mean * Math.log(random.uniform());
}

/**
 * A delay for one hop in whole milliseconds: the exponential distribution truncated at the cap, then rounded to the
 * nearest. Draws beyond the cap are made anew; to cut them to it would pile them up there.
 */
export function drawDelayMilliseconds(
  { meanMilliseconds, capMilliseconds }: DelayDistribution,
  random: RandomNumbers,
): number {
  for (;;) {
    const delay = drawExponential(meanMilliseconds, random);
    if (delay <= capMilliseconds) return Math.round(delay);
  }
}

/** The probability that `drawDelayMilliseconds` answers this whole number. */
export function delayProbability({ meanMilliseconds, capMilliseconds }: DelayDistribution, delay: number): number {
  if (delay < 0 || delay > capMilliseconds) return 0;
  const below = (limit: number) => -Math.expm1(-Math.min(Math.max(limit, 0), capMilliseconds) / meanMilliseconds);
  return (below(delay + 0.5) - below(delay - 0.5)) / below(capMilliseconds);
}

/** The mean of the truncated distribution, which is below the one asked for: mean - cap / (e^(cap/mean) - 1). */
export function truncatedMeanMilliseconds({ meanMilliseconds, capMilliseconds }: DelayDistribution): number {
  return meanMilliseconds - capMilliseconds / Math.expm1(capMilliseconds / meanMilliseconds);
}

/** The gap to the next packet of a Poisson stream, in milliseconds (not rounded); infinite at a rate of zero. */
export function drawIntervalMilliseconds(packetsPerSecond: number, random: RandomNumbers): number {
  return packetsPerSecond > 0 ? drawExponential(1000 / packetsPerSecond, random) : Number.POSITIVE_INFINITY;
}
