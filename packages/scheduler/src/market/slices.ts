/**
 * What is traded: standard slices. A slice of one market is as good as any other, so that one price is enough; whoever
 * needs more buys several. A market is all slices of one tier in one region.
 */
import { FogError } from '@fog/contract';
import { assertName } from './amounts.ts';
import { MARKET_LIMITS } from './limits.ts';

export const STANDARD_SLICE = {
  virtualCpus: 1,
  memoryBytes: 2 * 2 ** 30,
  milliseconds: 5 * 60_000,
} as const;

export const MARKET_TIERS = ['bronze', 'silver', 'gold'] as const;
export type MarketTier = (typeof MARKET_TIERS)[number];

export interface MarketName {
  tier: MarketTier;
  region: string;
}

/** One text for each market, the same for equal names: a tier holds no slash. */
export function marketKey({ tier, region }: MarketName): string {
  return `${tier}/${region}`;
}

/** Throws `invalid-request` for a tier that does not exist, or a region without a name. */
export function assertMarket({ tier, region }: MarketName): void {
  assertName(region, 'the region of a market');
  if (MARKET_TIERS.includes(tier)) return;
  throw new FogError('invalid-request', `there is no tier "${tier}"`, {
    hint: `the tiers are ${MARKET_TIERS.join(', ')}`,
  });
}

export interface SliceNeed {
  /** May be a fraction. */
  virtualCpus: number;
  memoryBytes: number;
  milliseconds: number;
}

/**
 * Slices that hold these resources for this long: the scarcer of processors and memory decides how many at a time, and
 * a begun period of five minutes counts as a whole one. Throws `invalid-request` for what is no need, or too large.
 */
export function slicesFor({ virtualCpus, memoryBytes, milliseconds }: SliceNeed): number {
  const isWell = [virtualCpus, memoryBytes, milliseconds].every((amount) => Number.isFinite(amount) && amount >= 0);
  if (!isWell || milliseconds === 0 || virtualCpus + memoryBytes === 0) {
    throw new FogError('invalid-request', 'a need of slices wants processors or memory, and a time above 0', {
      details: { virtualCpus, memoryBytes, milliseconds },
      hint: 'give finite numbers that are not negative',
    });
  }
  const atATime = Math.ceil(
    Math.max(virtualCpus / STANDARD_SLICE.virtualCpus, memoryBytes / STANDARD_SLICE.memoryBytes),
  );
  const slices = atATime * Math.ceil(milliseconds / STANDARD_SLICE.milliseconds);
  if (slices > MARKET_LIMITS.requestSlices) {
    throw new FogError('invalid-request', `${slices} slices at once; at most ${MARKET_LIMITS.requestSlices} are sold`, {
      details: { slices },
      hint: 'ask for less time, and buy again before it ends',
    });
  }
  return slices;
}
