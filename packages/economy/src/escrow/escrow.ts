/**
 * The cover of a job: what may be spent on it lies in an account of its own from the submit to the end.
 *
 *     submit --cover--> open --(results are accepted: settlement.ts)--> open
 *                         \--(it has ended, and no lease is live)--> closed: fees, credits, and the rest to the buyer
 *
 * No clock closes it. What comes later pays nothing. Every id derives from its cause, so that whatever is done twice, by
 * the same coordinator or by another, moves money once.
 */
import { FogError } from '@fog/contract';
import { assertAmount, formatFog, portionOf } from '../amounts.ts';
import { type Currency, transferId } from '../chart.ts';
import { TRANSFER_FLAGS } from '../ledger/index.ts';
import { assertName, assertNumber } from './checks.ts';
import { creditPpm } from './credits.ts';
import { type Escrow, type EscrowRecord, newRecord, spendable } from './records.ts';
import { assertTerms, coverOf } from './terms.ts';
import {
  ALL_THERE_IS,
  type EscrowAccount,
  type EscrowTransfer,
  escrowAccount,
  escrowOf,
  feeTransfers,
  linked,
  transferOf,
  walletOf,
} from './transfers.ts';

/** To be done in this order: accounts, then transfers, then the record is saved; all in one transaction. */
export interface EscrowStep {
  record: EscrowRecord;
  transfers: EscrowTransfer[];
}

export interface OpenedEscrow extends EscrowStep {
  accounts: EscrowAccount[];
}

/**
 * Opens the escrow of a job at its submit. `available`: what the buyer's wallet can spend in the currency of the terms.
 * Throws `insufficient-funds` with the amount that is missing, and `invalid-request` for faults in the terms.
 */
export function openEscrow(escrow: Escrow, available: bigint): OpenedEscrow {
  const { job, buyer, terms } = escrow;
  assertName(job, 'the job');
  assertName(buyer, 'the buyer');
  assertTerms(terms);
  const record = newRecord(terms);
  if (terms.currency === null) return { record, accounts: [], transfers: [] };
  const accounts = [escrowAccount(terms.currency, job)];
  return { accounts, ...addCover(escrow, record, { number: 1, amount: coverOf(terms), available }) };
}

/**
 * Puts more into escrow, for a service before its cover is used up. `number`: 1 is that of the submit, and each further
 * one is one more; one that was taken in before changes nothing. Throws `conflict` when one is left out, or the escrow has
 * closed, and `insufficient-funds` with the amount that is missing.
 */
export function addCover(
  { job, buyer, terms }: Escrow,
  record: EscrowRecord,
  { number, amount, available }: { number: number; amount: bigint; available: bigint },
): EscrowStep {
  assertNumber(number, { least: 1, what: 'the number of a cover' });
  assertAmount(amount, { what: 'the cover' });
  if (terms.currency === null || number <= record.covers) return { record, transfers: [] };
  if (record.phase === 'closed' || number !== record.covers + 1) {
    const why = record.phase === 'closed' ? 'its escrow has closed' : `its last one is number ${record.covers}`;
    throw new FogError('conflict', `job ${job} takes no cover of number ${number}: ${why}`, {
      details: { job, covers: record.covers },
      hint: 'look at the job, and number covers without gaps',
    });
  }
  assertCovered(amount, available, 'job');
  const deposited = record.deposited + amount;
  assertAmount(deposited, { what: 'all that is in escrow' });
  const cover = transferOf(terms.currency, 'cover', {
    id: transferId('cover', job, number),
    from: walletOf(buyer),
    to: escrowOf(job),
    amount,
  });
  return { record: { ...record, covers: number, deposited }, transfers: amount === 0n ? [] : [cover] };
}

const MISSING_HINTS = {
  job: 'earn or receive that much; a job needs less with a lower budget, count or maxReplicas',
  replicas: 'earn or receive that much; fewer replicas need less',
  wallet: 'earn or receive that much: fog wallet tells what there is',
} as const;

/** Throws `insufficient-funds` with the amount that is missing. `what`: it is wanted for. */
export function assertCovered(needed: bigint, available: bigint, what: keyof typeof MISSING_HINTS = 'wallet'): void {
  if (needed <= available) return;
  const missing = needed - available;
  throw new FogError(
    'insufficient-funds',
    `this needs ${formatFog(needed)} FOG; ${formatFog(missing)} FOG is missing`,
    {
      details: { needed: String(needed), available: String(available), missing: String(missing) },
      hint: MISSING_HINTS[what],
    },
  );
}

/** What is still under way of a job. */
export interface JobLife {
  /** It is completed, failed, cancelled or expired. */
  hasEnded: boolean;
  /** Leases that are not at their end, those of lost nodes and those being cancelled among them. */
  liveLeases: number;
  /** Tasks that were accepted and are being verified again. */
  reopenedTasks: number;
}

/**
 * Closes the escrow as soon as nothing more can be owed: fees to the treasury, credit and rest to the buyer, as one.
 * Null while it is not yet time, and when it has closed before.
 */
export function closeEscrow({ job, buyer, terms }: Escrow, record: EscrowRecord, life: JobLife): EscrowStep | null {
  const isOver = life.hasEnded && life.liveLeases === 0 && life.reopenedTasks === 0;
  if (record.phase === 'closed' || !isOver) return null;
  const closed: EscrowRecord = { ...record, phase: 'closed' };
  if (terms.currency === null) return { record: closed, transfers: [] };
  const unspent = spendable(record);
  const left = record.retained - record.oversight - record.fees;
  const charged = record.paid + record.retained;
  // What the share loses by rounding stays with the treasury.
  const promised = portionOf(charged, creditPpm(terms, record.waits));
  const credits = promised < left ? promised : left;
  const fees = left - credits;
  const burned = portionOf(fees, terms.feeBurnPpm);
  return {
    record: { ...closed, fees: record.fees + fees, burned: record.burned + burned, credits, refunded: unspent },
    transfers: linked([
      ...feeTransfers(terms.currency, job, [], { fees, burned }),
      ...returns(terms.currency, { job, buyer }, { credits, unspent }),
    ]),
  };
}

function returns(
  currency: Currency,
  { job, buyer }: { job: string; buyer: string },
  { credits, unspent }: { credits: bigint; unspent: bigint },
): EscrowTransfer[] {
  const [from, to] = [escrowOf(job), walletOf(buyer)];
  const credit = transferOf(currency, 'credit', { id: transferId('credit', job), from, to, amount: credits });
  const refund = transferOf(currency, 'refund', {
    id: transferId('refund', job),
    from,
    to,
    amount: ALL_THERE_IS,
    flags: TRANSFER_FLAGS.balancingDebit,
  });
  return [...(credits > 0n ? [credit] : []), ...(unspent > 0n ? [refund] : [])];
}
