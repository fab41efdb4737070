/** Payments that run on by time out of one balance: what each gets when they are settled. */
import { assertAmount } from '../amounts.ts';
import { assertList } from './checks.ts';
import { ESCROW_LIMITS } from './limits.ts';

export interface SettledStream {
  /** In the order of the rates. */
  paid: bigint[];
  /** Of each, what the balance did not reach for. */
  unsettled: bigint[];
  /** What is left; negative by all that is unsettled. */
  balance: bigint;
}

/**
 * Each rate has run for `elapsed` units of time. They are paid in their order, each as far as the balance reaches, so that
 * the last ones bear what is missing. Source: the rule of Akash's escrow of accounts and payments. Throws
 * `invalid-request` for negative or too large amounts, and too many rates.
 */
export function settleStream({
  elapsed,
  balance,
  rates,
}: {
  elapsed: bigint;
  balance: bigint;
  rates: readonly bigint[];
}): SettledStream {
  assertAmount(elapsed, { what: 'the elapsed time' });
  assertAmount(balance, { what: 'the balance of a stream' });
  assertList(rates, ESCROW_LIMITS.streamPayments, 'the payments of a stream');
  let left = balance;
  let missing = 0n;
  const unsettled: bigint[] = [];
  const paid = rates.map((rate) => {
    assertAmount(rate, { what: 'the rate of a stream' });
    const owed = rate * elapsed;
    const got = owed < left ? owed : left;
    left -= got;
    missing += owed - got;
    unsettled.push(owed - got);
    return got;
  });
  return { paid, unsettled, balance: missing > 0n ? left - missing : left };
}
