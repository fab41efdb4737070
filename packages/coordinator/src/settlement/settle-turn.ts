/**
 * Pays for what a turn of the dispatcher has found out, in its transaction.
 *
 *     load, and lock the rows of its jobs -> decide what is paid, while PostgreSQL stores the turn -> stored -> write, ledger last
 */
import type { ResultVerdict } from '@fog/contract';
import type { Currency } from '@fog/economy/chart';
import {
  type Escrow,
  type EscrowRecord,
  NOTHING_PAID,
  noteWaits,
  oversightLeft,
  type TaskSettlement,
} from '@fog/economy/escrow';
import type { JobCache } from '../dispatch/job-cache.ts';
import type { LeaseWait } from '../dispatch/queueing/service-waits.ts';
import type { Turn } from '../dispatch/turn.ts';
import type { TurnTask } from '../dispatch/turn-records.ts';
import { insertArbitrations } from '../store/arbitration-rows.ts';
import { allOf } from '../store/bulk.ts';
import type { Writer } from '../store/database.ts';
import { addShares, type EmissionShare } from '../store/emission-rows.ts';
import { insertFaults, type NewFault } from '../store/fault-rows.ts';
import {
  loadEscrows,
  loadSettlements,
  lockEscrows,
  readTrusted,
  saveEscrows,
  saveSettlements,
} from '../store/settlement-rows.ts';
import { disputeOf, failedCheck, type NewArbitration } from './arbitration/opening.ts';
import { sharesOf } from './emission/claims.ts';
import { MoneyMoves } from './money-moves.ts';
import { type OverseenRun, passedChecks, payerOf, payLateResults, payRun } from './oversight.ts';
import type { SqlLedger } from './sql-ledger.ts';
import { faultsOfTask } from './stake/faults.ts';
import { type Earning, earningsOf, holdBack } from './stake/held-back.ts';
import type { StakeStore } from './stake/stake-store.ts';
import { settleTurnTask } from './turn-settlement.ts';

export interface SettlingDependencies {
  jobs: JobCache;
  ledger: SqlLedger;
  stake: StakeStore;
  /** Of jobs that are submitted now. */
  readonly currency: Currency;
  now: () => number;
}

export type TurnToSettle = Pick<Turn, 'payments' | 'rows' | 'counts' | 'entries' | 'verification'>;

/** How long tasks waited for their first node, and what is known when the rest of the turn is stored. */
export interface TurnWaits {
  leased: readonly LeaseWait[];
  stored: Promise<{ expired: readonly LeaseWait[] }>;
}

/**
 * Pays for what the turn has accepted, for what ran when its job was cancelled, and for checks that were passed. Its tasks
 * are saved; the rows of its jobs are locked here, as they are when they are saved. Nothing is written before the rest of
 * the turn is `stored`.
 */
export async function settleTurn(
  dependencies: SettlingDependencies,
  writer: Writer,
  turn: TurnToSettle,
  { leased, stored }: TurnWaits,
): Promise<void> {
  const { jobs, ledger, currency, stake, now } = dependencies;
  const due = await loadDue(writer, turn, { leased, jobs });
  const at = now();
  const moves = new MoneyMoves(currency);
  const found = payTasks(turn, due, { jobs, currency, moves, now: at });
  payOverseen(due.runs, { ...due, moves });
  const expired = paidWaits((await stored).expired, jobs);
  if (due.isNothing && expired.length === 0) return;
  const others = new Set(expired.map(({ job }) => job)).difference(due.named);
  for (const [job, record] of await loadEscrows(writer, [...others])) due.records.set(job, record);
  for (const { job, since, count } of [...due.waited, ...expired]) {
    const record = due.records.get(job);
    const { terms } = jobs.get(job).payment as Escrow;
    if (record === undefined) continue;
    due.records.set(job, noteWaits(record, terms, { waitMilliseconds: Math.max(0, at - since), tasks: count }));
  }
  const held = await holdBack(stake, found.earnings, { writer, moves, now: at });
  // PostgreSQL works on the records while the ledger's first statements are written: the rows of the jobs are locked.
  const saved = [
    addShares(writer, found.shares),
    saveSettlements(writer, due.settlements),
    saveEscrows(writer, due.records),
    insertFaults(writer, found.faults),
    insertArbitrations(writer, found.disputes, at),
  ];
  const [sequence] = await allOf([moves.carryOut(writer, ledger, at), ...saved]);
  if (held !== null) await stake.tell(held, sequence);
}

/** What of a turn is paid for, and how its payers stand. */
interface Due {
  paid: TurnTask[];
  runs: OverseenRun[];
  waited: LeaseWait[];
  /** Jobs whose records are loaded. */
  named: Set<string>;
  records: Map<string, EscrowRecord>;
  settlements: Map<TurnTask, TaskSettlement>;
  /** Nodes whose word is taken for what fuel was used. */
  trusted: ReadonlySet<string>;
  isNothing: boolean;
}

async function loadDue(
  writer: Writer,
  { payments, rows, counts, entries, verification: { checks } }: TurnToSettle,
  { leased, jobs }: { leased: readonly LeaseWait[]; jobs: JobCache },
): Promise<Due> {
  // Of what is kept running no result is paid, but the time: `periods/`.
  const paid = [...new Set([...payments.judged.keys(), ...payments.cancelled.keys()])].filter(
    ({ job }) => jobs.get(job).payment?.terms.periodMilliseconds === null,
  );
  const waited = paidWaits(leased, jobs);
  await jobs.load(
    writer,
    checks.flatMap(({ job }) => jobs.get(job).oversight?.by ?? []),
  );
  const runs = passedChecks(checks, { rows, jobs });
  const named = new Set([...paid, ...waited].map(({ job }) => job).concat(runs.map(({ payer: { job } }) => job)));
  const records = await lockEscrows(writer, named, [...counts.keys(), ...entries.keys()]);
  // Others have one result, which is accepted once.
  const several = [...paid.filter(({ job }) => jobs.get(job).verification !== null), ...runs.map(({ task }) => task)];
  const settlements = await loadSettlements(writer, several);
  const metered = paid.filter(({ job }) => jobs.get(job).payment?.terms.meter === 'fuel');
  const nodes = metered.flatMap((task) => rows.attemptsOf(task).map(({ node }) => node));
  const trusted = await readTrusted(writer, nodes);
  const isNothing = paid.length === 0 && waited.length === 0 && checks.length === 0;
  return { paid, runs, waited, named, records, settlements, trusted, isNothing };
}

function paidWaits(waits: readonly LeaseWait[], jobs: JobCache): LeaseWait[] {
  return waits.filter(({ job }) => jobs.get(job).payment !== null);
}

/** What follows from what is paid. */
interface Found {
  earnings: Earning[];
  faults: NewFault[];
  shares: EmissionShare[];
  disputes: NewArbitration[];
}

/** Adds what is paid to `moves`, and changes the records. */
function payTasks(
  { payments, rows, verification: { checks } }: TurnToSettle,
  { paid, records, settlements, trusted }: Pick<Due, 'paid' | 'records' | 'settlements' | 'trusted'>,
  { jobs, currency, moves, now }: Pick<SettlingDependencies, 'jobs' | 'currency'> & { moves: MoneyMoves; now: number },
): Found {
  const found: Found = { earnings: [], faults: [], shares: [], disputes: [] };
  for (const check of checks) {
    const job = jobs.get(check.job);
    const failed = failedCheck(check, { job, payer: payerOf(job, jobs), attempts: rows.attemptsOf(check) });
    if (failed !== null) found.disputes.push(failed);
  }
  for (const task of paid) {
    const job = jobs.get(task.job);
    const record = records.get(task.job);
    if (record === undefined) continue;
    const escrow = job.payment as Escrow;
    const { terms } = escrow;
    const verdicts = payments.judged.get(task) ?? NO_VERDICTS;
    const cancelled = payments.cancelled.get(task) ?? [];
    const attempts = rows.attemptsOf(task);
    const of = { task, job, verdicts, cancelled, attempts, trusted, now };
    const step = settleTurnTask(escrow, record, settlements.get(task) ?? NOTHING_PAID, of);
    const late = payLateResults(escrow, step, { task, job, attempts });
    records.set(task.job, late.record);
    if (job.verification !== null) settlements.set(task, late.settlement);
    // The job may have been covered when the fog paid in another one.
    for (const { payee } of attempts) if (payee !== null) moves.openWallet(payee, terms.currency ?? currency);
    moves.add(late);
    found.earnings.push(...earningsOf(task, step.leases, { attempts, verdicts, terms }));
    found.shares.push(...sharesOf(task, step.leases, { attempts, terms }));
    const judged = { verdicts, attempts, settlement: settlements.get(task) };
    found.faults.push(...faultsOfTask(task, job, { ...judged, now }));
    const dispute = job.verification === null ? null : disputeOf(task, job, judged);
    if (dispute !== null) found.disputes.push(dispute);
  }
  return found;
}

/** Pays for hidden runs that have proven something together, each the same share. The row of the job that pays is locked. */
export async function payRuns(
  { ledger, currency, now }: SettlingDependencies,
  writer: Writer,
  runs: readonly OverseenRun[],
): Promise<void> {
  const records = await loadEscrows(writer, [...new Set(runs.map(({ payer }) => payer.job))]);
  const settlements = await loadSettlements(
    writer,
    runs.map(({ task }) => task),
  );
  const moves = new MoneyMoves(currency);
  const shares = new Map(
    runs.map(({ payer }) => {
      const record = records.get(payer.job);
      return [payer.job, record === undefined ? 0n : oversightLeft(payer, record) / BigInt(runs.length)];
    }),
  );
  payOverseen(runs, { records, settlements, moves }, shares);
  await saveSettlements(writer, settlements);
  await saveEscrows(writer, records);
  await moves.carryOut(writer, ledger, now());
}

/** Pays each out of what is kept of its payer, one after the other. `shares`: the most for each, by payer. */
function payOverseen(
  runs: readonly OverseenRun[],
  { records, settlements, moves }: Pick<Due, 'records' | 'settlements'> & { moves: MoneyMoves },
  shares: ReadonlyMap<string, bigint> = new Map(),
): void {
  for (const run of runs) {
    const { payer, task, attempt } = run;
    const record = records.get(payer.job);
    if (record === undefined) continue;
    const step = payRun(run, record, settlements.get(task), shares.get(payer.job));
    records.set(payer.job, step.record);
    settlements.set(task, step.settlement);
    if (attempt.payee !== null) moves.openWallet(attempt.payee, payer.terms.currency ?? undefined);
    moves.add(step);
  }
}

const NO_VERDICTS: ReadonlyMap<number, ResultVerdict> = new Map();
