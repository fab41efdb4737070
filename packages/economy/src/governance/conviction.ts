/**
 * Conviction: support that grows while stake stands behind a proposal, and fades when it leaves. After t ticks with the
 * stake x, of conviction y before:
 *
 *     y(t) = y a^t + x (1 - a^t) / (1 - a)
 *
 * It never goes beyond x / (1 - a), once below it. Computed in fixed point of 128 bits, each product rounded half up, so
 * that everybody gets the same number. Pure functions; nothing else of the product uses them yet.
 *
 * Source: 1Hive, Conviction Voting, `calculateConviction` and `calculateThreshold`.
 */
import { assertAmount } from '../amounts.ts';
import { governanceFault } from './faults.ts';
import { GOVERNANCE_LIMITS } from './limits.ts';

/** The decay is given in parts of this: 9,000,000 is an a of 0.9. */
export const CONVICTION_DECAY_WHOLE = 10_000_000n;
/** Of the supply; less active stake counts as so much. */
export const CONVICTION_LEAST_ACTIVE_PERCENT = 20n;

const POINT_BITS = 128n;
const ONE = 1n << POINT_BITS;
const HALF = 1n << (POINT_BITS - 1n);

export interface ConvictionStep {
  /** Ticks that passed. */
  ticks: number;
  /** Conviction before. */
  before: bigint;
  /** Stake during these ticks, in micro-FOG. */
  stake: bigint;
  /** a, in parts of 10,000,000, and below that. */
  decay: bigint;
}

/** Conviction after some ticks. Throws `invalid-request` for amounts, a decay or a number of ticks out of range. */
export function convictionAfter({ ticks, before, stake, decay }: ConvictionStep): bigint {
  if (!Number.isSafeInteger(ticks) || ticks < 0 || ticks > GOVERNANCE_LIMITS.convictionTicks) {
    throw governanceFault('malformed', `conviction after ${ticks} ticks; there are 0 to 2^40 in one step`);
  }
  assertAmount(before, { what: 'the conviction before' });
  assertAmount(stake, { what: 'the stake behind a proposal' });
  assertAmount(decay, { most: CONVICTION_DECAY_WHOLE - 1n, what: 'the decay of conviction' });
  const kept = power((decay << POINT_BITS) / CONVICTION_DECAY_WHOLE, ticks);
  const grown = (stake * CONVICTION_DECAY_WHOLE * (ONE - kept)) / (CONVICTION_DECAY_WHOLE - decay);
  return (kept * before + grown + HALF) >> POINT_BITS;
}

/** base^exponent in fixed point, by squaring; base is at most one. */
function power(base: bigint, exponent: number): bigint {
  let result = ONE;
  let factor = base;
  for (let rest = exponent; rest > 0; ) {
    if (rest % 2 === 1) {
      result = (result * factor + HALF) >> POINT_BITS;
      rest -= 1;
    } else {
      factor = (factor * factor + HALF) >> POINT_BITS;
      rest /= 2;
    }
  }
  return result;
}

/** An exact number; the denominator is above zero. */
export interface Fraction {
  numerator: bigint;
  denominator: bigint;
}

export interface ConvictionThreshold {
  /** What the proposal asks for, and what there is to give. */
  requested: bigint;
  funds: bigint;
  /** Stake that there is, and what of it stands behind proposals. */
  supply: bigint;
  active: bigint;
  /** a: what is left of conviction after one tick; below one. */
  decay: Fraction;
  /** The largest share of the funds that can be asked for. */
  mostShare: Fraction;
  /** rho: how much conviction is asked for; more makes everything harder. */
  weight: Fraction;
}

/**
 * The conviction from which on a proposal is carried, exactly:
 *
 *     active rho / ((1 - a) (beta - requested / funds)^2),    active being a fifth of the supply at least
 *
 * Null: nothing is enough, since it asks for beta of the funds or more. Throws `invalid-request` for amounts that are
 * none, and shares that are not from 0 to 1.
 */
export function convictionThreshold(given: ConvictionThreshold): Fraction | null {
  const { requested, funds, supply, decay, mostShare, weight } = given;
  for (const [what, amount] of Object.entries({ requested, funds, supply, active: given.active })) {
    assertAmount(amount, { what });
  }
  assertShare(decay, 'the decay');
  assertShare(mostShare, 'the largest share');
  assertShare(weight, 'the weight');
  if (decay.numerator === decay.denominator)
    throw governanceFault('malformed', 'conviction that never fades has no end');
  // beta - requested / funds, over the denominator of both.
  const room = mostShare.numerator * funds - requested * mostShare.denominator;
  if (room <= 0n) return null;
  const roomWhole = mostShare.denominator * funds;
  // Active stake in hundredths, so that the fifth is exact.
  const least = supply * CONVICTION_LEAST_ACTIVE_PERCENT;
  const active = given.active * 100n > least ? given.active * 100n : least;
  return {
    numerator: active * weight.numerator * decay.denominator * roomWhole ** 2n,
    denominator: 100n * weight.denominator * (decay.denominator - decay.numerator) * room ** 2n,
  };
}

/** Whether conviction is enough. */
export function isConvinced(conviction: bigint, threshold: Fraction | null): boolean {
  return threshold !== null && conviction * threshold.denominator >= threshold.numerator;
}

function assertShare({ numerator, denominator }: Fraction, what: string): void {
  if (denominator > 0n && numerator >= 0n && numerator <= denominator) return;
  throw governanceFault('malformed', `${what} is ${numerator}/${denominator}; it has to be from 0 to 1`);
}
