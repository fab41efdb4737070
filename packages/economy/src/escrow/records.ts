/** What is stored of an escrow beside its terms: a record a job, and a record for each task that anything was paid for. */
import { assertAmount } from '../amounts.ts';
import { amountOf, assertFields, assertList, assertNumber, assertOneOf, objectOf, textOf } from './checks.ts';
import { ESCROW_LIMITS } from './limits.ts';
import type { Terms } from './terms.ts';

export const ESCROW_PHASES = ['open', 'closed'] as const;
export type EscrowPhase = (typeof ESCROW_PHASES)[number];

/** What does not change from the submit on. */
export interface Escrow {
  job: string;
  /** The principal that pays. */
  buyer: string;
  terms: Terms;
}

/**
 * Of one job; amounts in micro-FOG. What lies in the account is deposited - paid - oversight - fees - credits - refunded.
 * At the end that is 0.
 */
export interface EscrowRecord {
  version: 1;
  phase: EscrowPhase;
  /** Covers and top-ups taken in. */
  covers: number;
  deposited: bigint;
  /** To providers. */
  paid: bigint;
  /** Kept back for the treasury, of which oversight and credits are paid, and fees what is left. */
  retained: bigint;
  /** To providers, for what the fog ordered for its own sake: out of what is retained. */
  oversight: bigint;
  /** The same after the end: out of the treasury. */
  lateOversight: bigint;
  /** Out of escrow in the end: to the treasury, but for what burns. */
  fees: bigint;
  /** Of the fees. */
  burned: bigint;
  /** To the buyer, for missed service levels. */
  credits: bigint;
  /** To the buyer, at the end. */
  refunded: bigint;
  /** First waits of tasks: within the promise, then by the last step of the schedule that they are above. */
  waits: readonly number[];
  /** Of a service: periods that are settled. */
  periods: number;
}

/** A lease that was paid. */
export interface PaidLease {
  fence: number;
  /** What the buyer was charged; 0 for what the fog ordered for its own sake. */
  price: bigint;
  /** What its provider got. */
  payout: bigint;
}

export interface TaskSettlement {
  version: 1;
  /** In the order in which they were paid. */
  leases: readonly PaidLease[];
}

export const NOTHING_PAID: TaskSettlement = { version: 1, leases: [] };

const AMOUNTS = [
  'deposited',
  'paid',
  'retained',
  'oversight',
  'lateOversight',
  'fees',
  'burned',
  'credits',
  'refunded',
] as const satisfies readonly (keyof EscrowRecord)[];
const FIELDS = ['version', 'phase', 'covers', ...AMOUNTS, 'waits', 'periods'] as const;

export function newRecord({ credits }: Pick<Terms, 'credits'>): EscrowRecord {
  return {
    version: 1,
    phase: 'open',
    covers: 0,
    deposited: 0n,
    paid: 0n,
    retained: 0n,
    oversight: 0n,
    lateOversight: 0n,
    fees: 0n,
    burned: 0n,
    credits: 0n,
    refunded: 0n,
    waits: [0, ...credits.map(() => 0)],
    periods: 0,
  };
}

/** What results may still cost. */
export function spendable({ deposited, paid, retained }: EscrowRecord): bigint {
  return deposited - paid - retained;
}

/** What lies in the account, if the ledger did all that it was asked. */
export function balanceOf({ deposited, paid, oversight, fees, credits, refunded }: EscrowRecord): bigint {
  return deposited - paid - oversight - fees - credits - refunded;
}

/** What the buyer has been charged for the task: no compensation for a wrong result of it is higher. */
export function chargedFor({ leases }: TaskSettlement): bigint {
  return leases.reduce((sum, { price }) => sum + price, 0n);
}

export function writeRecord(record: EscrowRecord): string {
  return textOf(Object.fromEntries(FIELDS.map((name) => [name, record[name]])));
}

/** Throws `invalid-request` for what `writeRecord` did not write. */
export function readRecord(text: string): EscrowRecord {
  const raw = objectOf(text, 'an escrow record');
  assertFields(raw, FIELDS, 'an escrow record');
  const amounts = Object.fromEntries(AMOUNTS.map((name) => [name, amountOf(raw[name])]));
  const record = { ...raw, ...amounts } as unknown as EscrowRecord;
  assertNumber(record.version, { least: 1, most: 1, what: 'the version of an escrow record' });
  assertOneOf(record.phase, ESCROW_PHASES, 'the phase of an escrow');
  assertNumber(record.covers, { what: 'the covers of an escrow' });
  assertNumber(record.periods, { what: 'the periods of an escrow' });
  for (const name of AMOUNTS) assertAmount(record[name], { what: `${name} of an escrow` });
  assertList(record.waits, ESCROW_LIMITS.creditSteps + 1, 'the waits of an escrow');
  for (const count of record.waits) assertNumber(count, { what: 'a count of waits' });
  return record;
}

export function writeSettlement({ version, leases }: TaskSettlement): string {
  return textOf({ version, leases });
}

/** Throws `invalid-request` for what `writeSettlement` did not write. */
export function readSettlement(text: string): TaskSettlement {
  const raw = objectOf(text, 'a settlement');
  assertFields(raw, ['version', 'leases'], 'a settlement');
  assertNumber(raw.version as number, { least: 1, most: 1, what: 'the version of a settlement' });
  const list = raw.leases as Record<string, unknown>[];
  assertList(list, ESCROW_LIMITS.leasesOfTask, 'the paid leases of a task');
  const leases = list.map((entry): PaidLease => {
    assertFields(entry, ['fence', 'price', 'payout'], 'a paid lease');
    const fence = entry.fence as number;
    const [price, payout] = [amountOf(entry.price), amountOf(entry.payout)];
    assertNumber(fence, { least: 1, what: 'a fence' });
    assertAmount(price, { most: ESCROW_LIMITS.priceMicroFog, what: 'a price' });
    assertAmount(payout, { most: ESCROW_LIMITS.priceMicroFog, what: 'a payout' });
    return { fence, price, payout };
  });
  return { version: 1, leases };
}
