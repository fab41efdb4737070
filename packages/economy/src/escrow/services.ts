/**
 * Services and daemons: they have no end, so they are paid by period out of a cover that is topped up.
 *
 *     period begins --(planPeriod: what the cover reaches for goes on, the rest is stopped)--> runs
 *          --(it is over: settlePeriod pays each replica for the time that it was healthy)--> period begins ...
 *     the deployment is removed --> closeEscrow, as for a job
 *
 * Nothing runs on credit: what a period may cost lies there before it begins. When nobody tops up, replicas stop one by
 * one from the highest partition down, and start again when somebody does.
 */
import { FogError } from '@fog/contract';
import { assertAmount, portionOf } from '../amounts.ts';
import { transferId } from '../chart.ts';
import { assertList, assertName, assertNumber } from './checks.ts';
import type { EscrowStep } from './escrow.ts';
import { ESCROW_LIMITS } from './limits.ts';
import { dividePrice } from './prices.ts';
import { type Escrow, type EscrowRecord, spendable } from './records.ts';
import { settleStream } from './streams.ts';
import type { Terms } from './terms.ts';
import { type EscrowTransfer, escrowOf, feeTransfers, transferOf, walletOf } from './transfers.ts';

export interface ServiceLease {
  partition: number;
  fence: number;
  /** Who gets the money: the owner of the node. */
  provider: string;
  /** Of one whole period, fixed when the lease was given; at most the maximum price of the terms. */
  rate: bigint;
}

export interface RunLease extends ServiceLease {
  /** Within the period. */
  healthyMilliseconds: number;
}

export interface PeriodPlan<Lease extends ServiceLease = ServiceLease> {
  /** By rising partition and fence. */
  goesOn: Lease[];
  stops: Lease[];
  /** So many periods, this one among them, the cover reaches for what goes on; null when that costs nothing. */
  periods: number | null;
  /** What has to be put in so that nothing stops. */
  missing: bigint;
}

/** What the cover reaches for in the period that begins. Throws `invalid-request` for malformed leases. */
export function planPeriod<Lease extends ServiceLease>(
  escrow: Escrow,
  record: EscrowRecord,
  leases: readonly Lease[],
): PeriodPlan<Lease> {
  const sorted = sortedLeases(leases, escrow.terms);
  const goesOn: Lease[] = [];
  const stops: Lease[] = [];
  const all = record.phase === 'closed' ? 0n : spendable(record);
  let reserved = 0n;
  let wanted = 0n;
  for (const lease of sorted) {
    const cost = costOf(escrow, lease);
    wanted += cost;
    // One that is left out makes no room for dearer ones behind it: who stops shall not depend on prices alone.
    const reaches = stops.length === 0 && reserved + cost <= all;
    if (cost > 0n && !reaches) stops.push(lease);
    else {
      goesOn.push(lease);
      reserved += cost;
    }
  }
  const periods = reserved === 0n ? null : Number(smallest(all / reserved, BigInt(ESCROW_LIMITS.number)));
  return { goesOn, stops, periods, missing: wanted > all ? wanted - all : 0n };
}

/**
 * Pays for a period that is over: each lease its rate, for the part of the period that it was healthy, rounded down for
 * the buyer; and the treasury what it keeps of that. `period` counts from 1; one that was settled before changes nothing,
 * one that is left out is not paid any more. Throws `invalid-request` for malformed leases and terms without a period.
 */
export function settlePeriod(
  escrow: Escrow,
  record: EscrowRecord,
  { period, leases }: { period: number; leases: readonly RunLease[] },
): EscrowStep {
  const { job, terms } = escrow;
  const length = periodOf(terms);
  assertNumber(period, { least: 1, what: 'the number of a period' });
  const sorted = sortedLeases(leases, terms);
  if (terms.currency === null || record.phase === 'closed' || period <= record.periods)
    return { record, transfers: [] };
  const owed = sorted.map((lease) => {
    assertNumber(lease.healthyMilliseconds, { most: Number.MAX_SAFE_INTEGER, what: 'the healthy time of a lease' });
    const healthy = Math.min(lease.healthyMilliseconds, length);
    return (costOf(escrow, lease) * BigInt(healthy)) / BigInt(length);
  });
  const { paid: prices } = settleStream({ elapsed: 1n, balance: spendable(record), rates: owed });
  const transfers: EscrowTransfer[] = [];
  let [paid, retained] = [0n, 0n];
  for (const [index, { partition, fence, provider }] of sorted.entries()) {
    const price = prices[index] ?? 0n;
    const divided = dividePrice(price, terms);
    paid += divided.payout;
    retained += divided.retained;
    if (divided.payout === 0n) continue;
    const id = transferId('payout', job, partition, fence, period);
    const [from, to, amount] = [escrowOf(job), walletOf(provider), divided.payout];
    const userData128 = (BigInt(partition) << 64n) + BigInt(fence);
    transfers.push(transferOf(terms.currency, 'payout', { id, from, to, amount, userData128, userData64: price }));
  }
  const burned = portionOf(retained, terms.feeBurnPpm);
  transfers.push(...feeTransfers(terms.currency, job, [period], { fees: retained, burned }));
  const settled: EscrowRecord = {
    ...record,
    periods: period,
    paid: record.paid + paid,
    retained: record.retained + retained,
    fees: record.fees + retained,
    burned: record.burned + burned,
  };
  return { record: settled, transfers };
}

/** What a top-up has to be so that all leases go on for so many periods from now on; 0 when there is enough. */
export function topUpFor(
  escrow: Escrow,
  record: EscrowRecord,
  { leases, periods }: { leases: readonly ServiceLease[]; periods: number },
): bigint {
  assertNumber(periods, { least: 1, what: 'the number of periods' });
  const rate = sortedLeases(leases, escrow.terms).reduce((sum, lease) => sum + costOf(escrow, lease), 0n);
  const missing = rate * BigInt(periods) - spendable(record);
  return missing > 0n ? missing : 0n;
}

/** On the buyer's own nodes it costs nothing. */
function costOf({ buyer, terms }: Escrow, { provider, rate }: ServiceLease): bigint {
  return terms.currency === null || provider === buyer ? 0n : rate;
}

function periodOf({ periodMilliseconds }: Terms): number {
  if (periodMilliseconds !== null) return periodMilliseconds;
  throw new FogError('invalid-request', 'these terms are of a job with an end, and it is not paid by period', {
    hint: 'settle its tasks, or give terms with periodMilliseconds',
  });
}

function sortedLeases<Lease extends ServiceLease>(leases: readonly Lease[], terms: Terms): Lease[] {
  periodOf(terms);
  assertList(leases, ESCROW_LIMITS.leasesOfPeriod, 'the leases of a service');
  const names = new Set<string>();
  for (const { partition, fence, provider, rate } of leases) {
    assertNumber(partition, { most: ESCROW_LIMITS.tasks, what: 'a partition' });
    assertNumber(fence, { least: 1, what: 'a fence' });
    assertName(provider, 'a provider');
    assertAmount(rate, { most: terms.maximumPrice, what: 'the rate of a lease' });
    names.add(`${partition} ${fence}`);
  }
  const doubles = leases.length - names.size;
  assertNumber(doubles, { most: 0, what: 'the number of leases that are named twice' });
  return leases.toSorted((a, b) => a.partition - b.partition || a.fence - b.fence);
}

function smallest(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
