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
export type CreditSchedule = readonly { abovePermille: number; creditPermille: number }[];

export const CREDIT_SCHEDULE: CreditSchedule = [
  { abovePermille: 1000, creditPermille: 100 },
  { abovePermille: 1500, creditPermille: 250 },
  { abovePermille: 2000, creditPermille: 500 },
  { abovePermille: 4000, creditPermille: 1000 },
];

/** In thousandths of the price that was paid; 0 when the promise was kept. */
export function creditPermille(
  tier: ServiceTier,
  p95WaitMilliseconds: number,
  schedule: CreditSchedule = CREDIT_SCHEDULE,
): number {
  const promised = SERVICE_LEVELS[tier].p95WaitMilliseconds;
  const reached = schedule.filter(({ abovePermille }) => p95WaitMilliseconds * 1000 > promised * abovePermille);
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
  const sorted = Float64Array.from(waitsMilliseconds).sort();
  return settlementOf(tier, count, sorted[percentileRank(count) - 1] ?? null);
}

/** So many pieces of work that waited no longer than this, and longer than the next shorter bound. */
export interface WaitCount {
  boundMilliseconds: number;
  count: number;
}

/**
 * Bounds by which waits are counted instead of kept. All that the credit schedule asks about are among them, so that a
 * settlement of counts gives the same credit as one of the waits themselves. The last is beyond every wait.
 */
export const WAIT_BOUNDS_MILLISECONDS: readonly number[] = [
  ...new Set([
    ...[1, 2, 5, 10, 20, 50, 100, 200, 300, 20_000, 60_000, 300_000, 1_800_000, 7_200_000, 43_200_000, 31_536_000_000],
    ...SERVICE_TIERS.flatMap((tier) =>
      CREDIT_SCHEDULE.map(({ abovePermille }) => (SERVICE_LEVELS[tier].p95WaitMilliseconds * abovePermille) / 1000),
    ),
  ]),
].sort((a, b) => a - b);

/** The bound that a wait is counted by: the smallest that it does not exceed. */
export function waitBound(waitMilliseconds: number): number {
  const bound = WAIT_BOUNDS_MILLISECONDS.find((candidate) => waitMilliseconds <= candidate);
  return bound ?? (WAIT_BOUNDS_MILLISECONDS.at(-1) as number);
}

/**
 * As `settleServiceLevel`, of waits that were counted by `waitBound`: the percentile is then the bound that it lies
 * within. Throws `invalid-request` for counts that are negative or no numbers. A schedule has the multiples of the usual one.
 */
export function settleWaitCounts(
  tier: ServiceTier,
  waits: readonly WaitCount[],
  schedule: CreditSchedule = CREDIT_SCHEDULE,
): Settlement {
  if (!waits.every((wait) => wait.boundMilliseconds >= 0 && Number.isSafeInteger(wait.count) && wait.count >= 0)) {
    throw new FogError('invalid-request', `the counted waits of ${tier} cannot be settled`, {
      hint: 'counts are whole and not negative',
    });
  }
  const sorted = waits.toSorted((a, b) => a.boundMilliseconds - b.boundMilliseconds);
  const count = sorted.reduce((sum, wait) => sum + wait.count, 0);
  let left = percentileRank(count);
  for (const wait of sorted) {
    left -= wait.count;
    if (count > 0 && left <= 0) return settlementOf(tier, count, wait.boundMilliseconds, schedule);
  }
  return settlementOf(tier, 0, null);
}

/** Nearest rank, from 1. */
function percentileRank(count: number): number {
  return Math.ceil((count * 95) / 100);
}

function settlementOf(
  tier: ServiceTier,
  count: number,
  p95WaitMilliseconds: number | null,
  schedule: CreditSchedule = CREDIT_SCHEDULE,
): Settlement {
  const credit = p95WaitMilliseconds === null ? 0 : creditPermille(tier, p95WaitMilliseconds, schedule);
  // A miss may be worth nothing.
  const isMet = p95WaitMilliseconds === null || p95WaitMilliseconds <= SERVICE_LEVELS[tier].p95WaitMilliseconds;
  return { tier, count, p95WaitMilliseconds, isMet, creditPermille: credit };
}

/** How much of its promised wait is left to a piece of work; negative when it is late. */
export function slackSeconds({ tier, submittedAtSeconds }: QueuedWork, nowSeconds: number): number {
  return submittedAtSeconds + SERVICE_LEVELS[tier].p95WaitMilliseconds / 1000 - nowSeconds;
}

/** 0 for the dearest tier. */
export function tierRank(tier: ServiceTier): number {
  return SERVICE_TIERS.length - 1 - SERVICE_TIERS.indexOf(tier);
}
