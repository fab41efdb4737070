/** What a tier promises, what it costs, and what is given back when the promise is not kept. */
import { FogError, SERVICE_TIERS, type ServiceTier } from '@fog/contract';
import { QUEUEING_LIMITS } from './limits.ts';
import type { QueuedWork } from './queued-work.ts';

export interface ServiceLevel {
  /** Of the price of bronze, in thousandths. */
  pricePermille: number;
  /** 95 of 100 pieces of work wait no longer. */
  p95WaitMilliseconds: number;
}

export const SERVICE_LEVELS: Readonly<Record<ServiceTier, ServiceLevel>> = {
  bronze: { pricePermille: 1000, p95WaitMilliseconds: 2500 },
  silver: { pricePermille: 2500, p95WaitMilliseconds: 1200 },
  gold: { pricePermille: 5000, p95WaitMilliseconds: 400 },
};

/** From which multiple of the promised wait (in thousandths) which share of the price is given back. */
export const CREDIT_SCHEDULE: readonly { abovePermille: number; creditPermille: number }[] = [
  { abovePermille: 1000, creditPermille: 100 },
  { abovePermille: 1500, creditPermille: 250 },
  { abovePermille: 2000, creditPermille: 500 },
  { abovePermille: 4000, creditPermille: 1000 },
];

/** In thousandths of the price that was paid; 0 when the promise was kept. */
export function creditPermille(tier: ServiceTier, p95WaitMilliseconds: number): number {
  const promised = SERVICE_LEVELS[tier].p95WaitMilliseconds;
  const reached = CREDIT_SCHEDULE.filter(({ abovePermille }) => p95WaitMilliseconds * 1000 > promised * abovePermille);
  return reached.at(-1)?.creditPermille ?? 0;
}

export interface Settlement {
  tier: ServiceTier;
  count: number;
  /** Null when nothing was run: then nothing was promised. */
  p95WaitMilliseconds: number | null;
  isMet: boolean;
  creditPermille: number;
}

/**
 * Settles one tenant's work of one tier over one period. The 95th percentile is the smallest wait that at least 95 of
 * 100 do not exceed (nearest rank). Throws `invalid-request` for waits that are negative, no numbers, or too many.
 */
export function settleServiceLevel(tier: ServiceTier, waitsMilliseconds: readonly number[]): Settlement {
  const isWell = waitsMilliseconds.every((wait) => Number.isFinite(wait) && wait >= 0);
  if (!isWell || waitsMilliseconds.length > QUEUEING_LIMITS.settledWaits) {
    throw new FogError('invalid-request', `the ${waitsMilliseconds.length} waits of ${tier} cannot be settled`, {
      hint: `waits are not negative; settle at least every ${QUEUEING_LIMITS.settledWaits} of them`,
    });
  }
  const count = waitsMilliseconds.length;
  if (count === 0) return { tier, count, p95WaitMilliseconds: null, isMet: true, creditPermille: 0 };
  const sorted = Float64Array.from(waitsMilliseconds).sort();
  const p95WaitMilliseconds = sorted[Math.ceil((count * 95) / 100) - 1] as number;
  const credit = creditPermille(tier, p95WaitMilliseconds);
  return { tier, count, p95WaitMilliseconds, isMet: credit === 0, creditPermille: credit };
}

/** How much of its promised wait is left to a piece of work; negative when it is late. */
export function slackSeconds({ tier, submittedAtSeconds }: QueuedWork, nowSeconds: number): number {
  return submittedAtSeconds + SERVICE_LEVELS[tier].p95WaitMilliseconds / 1000 - nowSeconds;
}

/** 0 for the dearest tier. */
export function tierRank(tier: ServiceTier): number {
  return SERVICE_TIERS.length - 1 - SERVICE_TIERS.indexOf(tier);
}
