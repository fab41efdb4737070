/**
 * How evidence fades: by half in `halfLifeDays`, in steps of a whole day of the calendar. Integers only, so that a replay
 * gives the same to the last unit; and steps are the same days for everybody, so that two records that see the same from
 * now on fade alike.
 */
import { REPUTATION_LIMITS } from './limits.ts';

const DAY_MILLISECONDS = 86_400_000;
const FRACTION_BITS = 64n;
const { halfLifeDays, forgottenDays } = REPUTATION_LIMITS;

/** What 0, 1, 2, ... days leave of a whole, as 64 binary places, rounded down. */
const SHARES: readonly bigint[] = Array.from({ length: halfLifeDays }, (_, days) => shareAfter(days));

/** The largest x with (x / 2^64) ^ halfLife <= 2 ^ -days. */
function shareAfter(days: number): bigint {
  const most = 1n << (FRACTION_BITS * BigInt(halfLifeDays) - BigInt(days));
  let [low, high] = [0n, (1n << FRACTION_BITS) + 1n];
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (middle ** BigInt(halfLifeDays) <= most) low = middle;
    else high = middle;
  }
  return low;
}

/** Days since 1970; before it, 0. */
export function dayOf(now: number): number {
  return Math.min(Math.max(0, Math.floor(now / DAY_MILLISECONDS)), REPUTATION_LIMITS.day);
}

/** What is left after so many days, rounded down. Never more for less. */
export function faded(amount: number, days: number): number {
  if (days <= 0) return amount;
  if (days >= forgottenDays) return 0;
  const halvings = BigInt(Math.floor(days / halfLifeDays));
  const share = SHARES[days % halfLifeDays] ?? 0n;
  return Number((BigInt(amount) * share) >> (FRACTION_BITS + halvings));
}
