/**
 * The price that a market posts until the next step: everybody pays it. It moves against the difference between how much
 * was used and how much should be, like the base fee of EIP-1559, in whole micro-FOG.
 */
import { assertPrice, assertWhole } from './amounts.ts';
import { MARKET_LIMITS } from './limits.ts';

export const POSTED_PRICE_RULE = {
  /** Of what is offered. Above it there is too little left for a burst, below it machines stand idle. */
  targetPercent: 70,
  /** A step changes the price by an eighth (12.5 %) at most: that much when nothing, or everything, was used. */
  stepDivisor: 8,
  /** No price is lower: from 0 it would not rise by a share of itself, and spam would be free. */
  lowestMicroFog: 1,
} as const;

export interface UtilisationOfStep {
  /** Slices in use or asked for in the step; above what is offered it counts as all of it. */
  usedSlices: number;
  offeredSlices: number;
}

/**
 * The price of the next step. At the target it stays. Elsewhere it moves toward the target: in proportion to the
 * distance, by at least one micro-FOG and at most an eighth (of a price below 8, one micro-FOG is more than that). With
 * nothing offered it rises as if everything was used when somebody asked, and stays when nobody did. Throws
 * `invalid-request` for amounts that are not whole, negative or too large.
 */
export function nextPostedPrice(priceMicroFog: number, { usedSlices, offeredSlices }: UtilisationOfStep): number {
  const { targetPercent, stepDivisor, lowestMicroFog } = POSTED_PRICE_RULE;
  assertPrice(priceMicroFog, 'the posted price', lowestMicroFog);
  const most = Number.MAX_SAFE_INTEGER;
  assertWhole(usedSlices, { least: 0, most, what: 'the number of used slices' });
  assertWhole(offeredSlices, { least: 0, most, what: 'the number of offered slices' });
  if (offeredSlices === 0 && usedSlices === 0) return priceMicroFog;

  const used = BigInt(Math.min(usedSlices, offeredSlices)) * 100n;
  const offered = BigInt(offeredSlices);
  const target = BigInt(targetPercent) * offered;
  if (used === target && offered > 0n) return priceMicroFog;
  const isRise = used >= target;
  // The distance as a share of the furthest that it can be on its side: 30 points up, 70 down.
  const [distance, furthest] = isRise ? [used - target, 100n * offered - target] : [target - used, target];
  const divisor = furthest * BigInt(stepDivisor);
  const change = offered === 0n ? priceMicroFog / stepDivisor : Number((BigInt(priceMicroFog) * distance) / divisor);
  const step = Math.max(1, Math.floor(change));
  return isRise
    ? Math.min(priceMicroFog + step, MARKET_LIMITS.slicePriceMicroFog)
    : Math.max(priceMicroFog - step, lowestMicroFog);
}
