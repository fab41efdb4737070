/**
 * Whether the cover of a service reaches, what is put in where it does not, and who stops without it. Pure.
 *
 * Reserved is what leases have earned in this period, and what all that run or shall run cost for the rest of it. When
 * that is more than lies there, cover is added: for as many periods as the owner can pay, at most an hour of them. When he
 * cannot pay for one, those go on that are reached, from the lowest partition up.
 *
 * Replicas that have stopped begin again when a period begins for all of which there is cover, or when the rest of this
 * one and all of the next can be paid: otherwise they would begin near the end of each period, and stop after it.
 */
import { type Escrow, type EscrowRecord, planPeriod, type ServiceLease, spendable } from '@fog/economy/escrow';
import { SETTLEMENT_LIMITS } from '../../limits.ts';

/** A lease that goes on, or what stands for one that shall begin. */
export interface WantedLease extends ServiceLease {
  /** `missing`: a replica that does not exist yet. */
  is: 'live' | 'waiting' | 'missing' | 'leaving';
}

export interface CoverNeeds {
  /** Earned in this period, and not paid yet. */
  accrued: bigint;
  leases: readonly WantedLease[];
  /** Of the period. */
  leftMilliseconds: number;
  /** It begins now. */
  hasBegun: boolean;
  /** Replicas have stopped for want of cover. */
  wasShort: boolean;
  /** In the wallet, with what a faucet gives. */
  available: bigint;
}

export interface CoverPlan {
  topUp: bigint;
  /** None unless there is too little. */
  stops: WantedLease[];
  /** Replicas that are there, or may be made. */
  covered: number;
  /** What the owner lacks; 0 where there is enough. */
  missing: bigint;
}

export function planCover(escrow: Escrow, record: EscrowRecord, needs: CoverNeeds): CoverPlan {
  const { leases, accrued, available, wasShort, hasBegun, leftMilliseconds } = needs;
  const length = escrow.terms.periodMilliseconds ?? SETTLEMENT_LIMITS.periodMilliseconds;
  const parts = leases.map((lease) => ({ ...lease, rate: partOf(lease.rate, leftMilliseconds, length) }));
  const reserve = accrued + sumOf(escrow, parts);
  const whole = sumOf(escrow, leases);
  const least = wasShort && !hasBegun ? 1n : 0n;
  const has = spendable(record);
  if (has >= reserve + least * whole) return { topUp: 0n, stops: [], covered: stayingOf(leases), missing: 0n };
  const lacks = reserve + least * whole - has - available;
  if (lacks <= 0n) {
    const periods = periodsFor(has + available - reserve, whole);
    const topUp = reserve + whole * periods - has;
    return { topUp: topUp > 0n ? topUp : 0n, stops: [], covered: stayingOf(leases), missing: 0n };
  }
  // What has stopped waits for better times; what runs shall go on.
  const candidates = least === 1n ? parts.filter(({ is }) => is !== 'missing') : parts;
  const pooled = { ...record, deposited: record.deposited + available, retained: record.retained + accrued };
  const { goesOn, stops } = planPeriod(escrow, pooled, candidates);
  const reached = accrued + sumOf(escrow, goesOn);
  const topUp = reached > has ? reached - has : 0n;
  return { topUp: topUp < available ? topUp : available, stops, covered: stayingOf(goesOn), missing: lacks };
}

/** Whole periods that so much reaches for, at most those that are covered at once, less the one that runs. */
function periodsFor(amount: bigint, whole: bigint): bigint {
  const most = BigInt(SETTLEMENT_LIMITS.coveredPeriods - 1);
  if (whole === 0n) return 0n;
  const reached = amount / whole;
  return reached < most ? reached : most;
}

/** What is left of a rate, rounded up: no lease is reserved less than it can earn. */
function partOf(rate: bigint, leftMilliseconds: number, length: number): bigint {
  const left = BigInt(Math.min(Math.max(0, Math.ceil(leftMilliseconds)), length));
  return (rate * left + BigInt(length) - 1n) / BigInt(length);
}

/** On the buyer's own nodes it costs nothing. */
export function sumOf({ buyer }: Escrow, leases: readonly ServiceLease[]): bigint {
  return leases.reduce((sum, { provider, rate }) => (provider === buyer ? sum : sum + rate), 0n);
}

function stayingOf(leases: readonly WantedLease[]): number {
  return leases.filter(({ is }) => is !== 'leaving').length;
}
