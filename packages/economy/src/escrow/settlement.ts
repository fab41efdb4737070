/**
 * Who is paid for a task.
 *
 *     accepted    each result that counts gets its price, out of the cover of its task; an invalid one gets nothing
 *     corrected   those who found the right result get theirs; what the wrong one got before stays with it here, and is
 *                 what its bond answers for
 *     cancelled   leases that ran get a share of their price for the part that they ran
 *
 * Work on the buyer's own nodes costs nothing. The settlement of a task remembers which leases were paid, and the id of a
 * payout is made of (job, partition, fence): a result that is told twice is paid once.
 */
import { portionOf } from '../amounts.ts';
import { accountId, CURRENCIES, type Currency, TRANSFER_CODES, transferId } from '../chart.ts';
import { assertList, assertName, assertNumber } from './checks.ts';
import type { EscrowStep } from './escrow.ts';
import { ESCROW_LIMITS } from './limits.ts';
import { assertPriced, dividePrice, type LeasePrice, type PricedResult, pricesOf } from './prices.ts';
import { chargedFor, type Escrow, type EscrowRecord, spendable, type TaskSettlement } from './records.ts';
import { coverOfTask } from './terms.ts';
import type { EscrowTransfer } from './transfers.ts';

/** What verification says of a result; `alone` also where nothing is verified. */
export const RESULT_VERDICTS = ['valid', 'alone', 'cleared', 'invalid', 'withheld', 'inconclusive'] as const;
export type ResultVerdict = (typeof RESULT_VERDICTS)[number];
export const PAID_VERDICTS: readonly ResultVerdict[] = ['valid', 'alone', 'cleared'];

export interface JudgedResult extends PricedResult {
  verdict: ResultVerdict;
}

/** Of a lease that was running when its job was cancelled. */
export interface CancelledLease {
  fence: number;
  provider: string;
  price: LeasePrice;
  ranMilliseconds: number;
  /** For so long the quote was made; above 0. */
  expectedMilliseconds: number;
}

export const LEASE_OUTCOMES = [
  'paid',
  /** It got its money before. */
  'paid-before',
  /** It got its money before, and is found wrong now: what it got is lost to the buyer, and the bond answers for it. */
  'refuted',
  'not-valid',
  /** Of the buyer's own node. */
  'own-node',
  'escrow-closed',
  /** Nothing is left of the cover of its task. */
  'cover-spent',
  'free',
] as const;
export type LeaseOutcome = (typeof LEASE_OUTCOMES)[number];

export interface SettledLease {
  fence: number;
  outcome: LeaseOutcome;
  /** What the buyer is or was charged. */
  price: bigint;
  payout: bigint;
}

export interface SettlementStep extends EscrowStep {
  settlement: TaskSettlement;
  /** By rising fence. */
  leases: SettledLease[];
}

interface Claim {
  fence: number;
  provider: string;
  price: bigint;
}

/**
 * Settles results of one task, all that a step of verification judges together. Their order does not matter. Throws
 * `invalid-request` for malformed results.
 */
export function settleTask(
  escrow: Escrow,
  record: EscrowRecord,
  settlement: TaskSettlement,
  { partition, results }: { partition: number; results: readonly JudgedResult[] },
): SettlementStep {
  const { terms, buyer } = escrow;
  assertNumber(partition, { most: ESCROW_LIMITS.tasks, what: 'a partition' });
  assertList(results, ESCROW_LIMITS.leasesOfTask, 'the results of a task');
  for (const result of results) {
    assertPriced(result, terms);
    assertName(result.provider, 'a provider');
  }
  const [only] = results;
  // Most tasks have one result, and are settled without lists of it.
  if (only !== undefined && results.length === 1 && PAID_VERDICTS.includes(only.verdict)) {
    const claim = { fence: only.fence, provider: only.provider, price: pricesOf(results, buyer, terms)[0] ?? 0n };
    return payClaim(escrow, { record, settlement, transfers: [], leases: [] }, partition, claim);
  }
  const sorted = results.toSorted((a, b) => a.fence - b.fence);
  const refused = new Set(sorted.filter(({ verdict }) => !PAID_VERDICTS.includes(verdict)).map(({ fence }) => fence));
  const counting = sorted.filter(({ fence }) => !refused.has(fence));
  const prices = pricesOf(counting, buyer, terms);
  const claims = counting.map(({ fence, provider }, index) => ({ fence, provider, price: prices[index] ?? 0n }));
  const step = payAll(escrow, { record, settlement, transfers: [], leases: [] }, partition, claims);
  const unpaid = [...refused].map((fence): SettledLease => {
    const paid = settlement.leases.find((lease) => lease.fence === fence);
    return {
      fence,
      outcome: paid === undefined ? 'not-valid' : 'refuted',
      price: paid?.price ?? 0n,
      payout: paid?.payout ?? 0n,
    };
  });
  return { ...step, leases: [...step.leases, ...unpaid].sort((a, b) => a.fence - b.fence) };
}

/**
 * Settles leases of one task that ran when the buyer cancelled: the price of the part that they had run, and of that the
 * share that the terms say. What it loses by rounding stays with the buyer. Throws `invalid-request` for malformed ones.
 */
export function settleCancelled(
  escrow: Escrow,
  record: EscrowRecord,
  settlement: TaskSettlement,
  { partition, leases }: { partition: number; leases: readonly CancelledLease[] },
): SettlementStep {
  assertNumber(partition, { most: ESCROW_LIMITS.tasks, what: 'a partition' });
  assertList(leases, ESCROW_LIMITS.leasesOfTask, 'the leases of a task');
  const claims = leases.map(({ fence, provider, price, ranMilliseconds, expectedMilliseconds }): Claim => {
    assertPriced({ fence, provider, price, isTrusted: false, fuel: null, costMicroFog: null }, escrow.terms);
    assertName(provider, 'a provider');
    const most = ESCROW_LIMITS.milliseconds;
    assertNumber(expectedMilliseconds, { least: 1, most, what: 'the expected time of a lease' });
    assertNumber(ranMilliseconds, { most: Number.MAX_SAFE_INTEGER, what: 'the time of a lease' });
    const ran = BigInt(Math.min(ranMilliseconds, expectedMilliseconds));
    const accrued = (price.quote * ran) / BigInt(expectedMilliseconds);
    return { fence, provider, price: portionOf(accrued, escrow.terms.cancelPpm) };
  });
  claims.sort((a, b) => a.fence - b.fence);
  return payAll(escrow, { record, settlement, transfers: [], leases: [] }, partition, claims);
}

function payAll(escrow: Escrow, start: SettlementStep, partition: number, claims: readonly Claim[]): SettlementStep {
  return claims.reduce((step, claim) => payClaim(escrow, step, partition, claim), start);
}

function payClaim(escrow: Escrow, step: SettlementStep, partition: number, claim: Claim): SettlementStep {
  const before = step.settlement.leases.find(({ fence }) => fence === claim.fence);
  if (before !== undefined) return told(step, { ...before, outcome: 'paid-before' });
  const left = leftFor(escrow.terms, step);
  const outcome = refusal(escrow, step, claim, left);
  return outcome === null
    ? pay(escrow, step, partition, { ...claim, price: claim.price < left ? claim.price : left })
    : told(step, { fence: claim.fence, outcome, price: 0n, payout: 0n });
}

/** What else is told of a lease that is told twice says nothing new. */
function told(step: SettlementStep, lease: SettledLease): SettlementStep {
  const isKnown = step.leases.some(({ fence }) => fence === lease.fence);
  return isKnown ? step : { ...step, leases: [...step.leases, lease] };
}

function refusal(
  { buyer, terms }: Escrow,
  step: SettlementStep,
  { provider, price }: Claim,
  left: bigint,
): LeaseOutcome | null {
  if (terms.currency === null || price === 0n) return 'free';
  if (step.record.phase === 'closed') return 'escrow-closed';
  if (provider === buyer) return 'own-node';
  const isFull = step.settlement.leases.length >= ESCROW_LIMITS.leasesOfTask;
  return isFull || left === 0n ? 'cover-spent' : null;
}

/** Of the cover of the task; no task lives on that of another. */
function leftFor(terms: Escrow['terms'], { record, settlement }: SettlementStep): bigint {
  const left = coverOfTask(terms) - chargedFor(settlement);
  const all = spendable(record);
  return left < all ? left : all;
}

function pay({ job, terms }: Escrow, step: SettlementStep, partition: number, claim: Claim): SettlementStep {
  const { record, settlement } = step;
  const { fence, provider, price } = claim;
  const { payout, retained } = dividePrice(price, terms);
  return {
    record: { ...record, paid: record.paid + payout, retained: record.retained + retained },
    settlement: { version: 1, leases: [...settlement.leases, { fence, price, payout }] },
    transfers: [...step.transfers, ...payoutOf(terms.currency, { job, partition, fence, provider, price, payout })],
    leases: [...step.leases, { fence, price, payout, outcome: 'paid' }],
  };
}

function payoutOf(
  currency: Currency | null,
  lease: { job: string; partition: number; fence: number; provider: string; price: bigint; payout: bigint },
): EscrowTransfer[] {
  const { job, partition, fence, provider, price, payout } = lease;
  if (currency === null || payout === 0n) return [];
  const transfer: EscrowTransfer = {
    id: transferId('payout', job, partition, fence),
    debitAccount: accountId(currency, 'escrow', job),
    creditAccount: accountId(currency, 'wallet', provider),
    amount: payout,
    ledger: CURRENCIES[currency],
    code: TRANSFER_CODES.payout,
    userData128: (BigInt(partition) << 64n) + BigInt(fence),
    userData64: price,
  };
  return [transfer];
}
