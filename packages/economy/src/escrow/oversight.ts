/**
 * What the fog orders for its own sake, to know whom it can believe: spot checks, and replicas of a task that is verified
 * again after its escrow has closed. Nodes must not tell them from other work, so they are paid like it. The money is a
 * share of what the treasury keeps of the job that caused them, and never more: whoever is buyer, provider and liar at
 * once cannot draw more from the treasury than it brought there. What of that members have spent meanwhile is not paid.
 */
import { assertAmount, portionOf } from '../amounts.ts';
import { transferId } from '../chart.ts';
import { TRANSFER_FLAGS } from '../ledger/index.ts';
import { assertName, assertNumber } from './checks.ts';
import type { EscrowStep } from './escrow.ts';
import { ESCROW_LIMITS } from './limits.ts';
import { dividePrice } from './prices.ts';
import type { Escrow, EscrowRecord, TaskSettlement } from './records.ts';
import { escrowOf, TREASURY, transferOf, walletOf } from './transfers.ts';

/** A result that counts and that no cover pays for. */
export interface OversightWork {
  /** The hidden job of a check, or the job that is verified again. */
  job: string;
  partition: number;
  fence: number;
  provider: string;
  /** What it would cost where a cover pays. */
  price: bigint;
  /** It gets no more: others share what may be spent. Without it, all that may be. */
  most?: bigint;
}

export interface OversightStep extends EscrowStep {
  settlement: TaskSettlement;
}

/** What may still be spent on oversight because of this job. */
export function oversightLeft({ terms }: Pick<Escrow, 'terms'>, record: EscrowRecord): bigint {
  const { phase, retained, credits, oversight, lateOversight, fees, burned } = record;
  const left = portionOf(retained - credits, terms.oversightPpm) - oversight - lateOversight;
  const kept = phase === 'open' ? retained - oversight - fees : fees - burned - lateOversight;
  const least = kept < left ? kept : left;
  return least > 0n ? least : 0n;
}

/**
 * Pays for oversight: of an open escrow out of what is kept back of it, of a closed one out of the treasury. Less than the
 * price where the share does not reach. `escrow` and `record`: of the job that brought the check, or is verified again;
 * `settlement`: of the task that was worked on. Throws `invalid-request` for malformed work.
 */
export function payOversight(
  escrow: Escrow,
  record: EscrowRecord,
  settlement: TaskSettlement,
  work: OversightWork,
): OversightStep {
  const { terms } = escrow;
  const { job, partition, fence, provider, price, most } = work;
  assertName(job, 'the job');
  assertName(provider, 'a provider');
  assertNumber(partition, { most: ESCROW_LIMITS.tasks, what: 'a partition' });
  assertNumber(fence, { least: 1, what: 'a fence' });
  assertAmount(price, { most: ESCROW_LIMITS.priceMicroFog, what: 'the price of oversight' });
  if (most !== undefined) assertAmount(most, { what: 'the share of oversight' });
  const { payout } = dividePrice(price, terms);
  const all = oversightLeft(escrow, record);
  const left = most !== undefined && most < all ? most : all;
  const amount = payout < left ? payout : left;
  const isDone =
    settlement.leases.length >= ESCROW_LIMITS.leasesOfTask || settlement.leases.some((lease) => lease.fence === fence);
  if (terms.currency === null || provider === escrow.buyer || amount === 0n || isDone) {
    return { record, settlement, transfers: [] };
  }
  const isOpen = record.phase === 'open';
  const transfer = transferOf(terms.currency, 'oversight', {
    // That of a result that a cover pays: a lease is paid once.
    id: transferId('payout', job, partition, fence),
    from: isOpen ? escrowOf(escrow.job) : TREASURY,
    to: walletOf(provider),
    amount,
    ...(isOpen ? {} : { flags: TRANSFER_FLAGS.balancingDebit }),
    userData128: (BigInt(partition) << 64n) + BigInt(fence),
    userData64: price,
  });
  const spent = isOpen ? { oversight: record.oversight + amount } : { lateOversight: record.lateOversight + amount };
  // The buyer is charged nothing for it.
  const leases = [...settlement.leases, { fence, price: 0n, payout: amount }];
  return { record: { ...record, ...spent }, settlement: { version: 1, leases }, transfers: [transfer] };
}
