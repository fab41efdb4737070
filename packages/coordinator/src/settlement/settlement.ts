/**
 * Money for work, in the transactions that the work is accepted in.
 *
 *     submit -> open(): terms and cover     turn -> settle(): payouts of what it accepted     ended -> closeEnded(): the rest
 *
 * What is paid to whom is decided by `@fog/economy/escrow`; here it is read, carried out by the ledger, and saved. The rows
 * of the jobs are locked before the ledger, by everybody.
 */
import type { JobSpec, ResultVerdict } from '@fog/contract';
import { accountId, type Currency, transferId } from '@fog/economy/chart';
import {
  closeEscrow,
  coverOf,
  type Escrow,
  type EscrowRecord,
  NOTHING_PAID,
  noteWaits,
  openEscrow,
  oversightLeft,
  type TaskSettlement,
  type Terms,
  writeRecord,
  writeTerms,
} from '@fog/economy/escrow';
import type { JobCache } from '../dispatch/job-cache.ts';
import type { LeaseWait } from '../dispatch/queueing/service-waits.ts';
import { isVerified } from '../dispatch/requirements.ts';
import type { Turn } from '../dispatch/turn.ts';
import type { TurnTask } from '../dispatch/turn-records.ts';
import { insertArbitrations } from '../store/arbitration-rows.ts';
import { allOf } from '../store/bulk.ts';
import type { Database, Writer } from '../store/database.ts';
import { addShares, type EmissionShare } from '../store/emission-rows.ts';
import { insertFaults, type NewFault } from '../store/fault-rows.ts';
import { insertPaidService } from '../store/period-rows.ts';
import {
  loadEscrows,
  loadSettlements,
  lockEndedJobs,
  readTrusted,
  saveEscrows,
  saveSettlements,
} from '../store/settlement-rows.ts';
import { disputeOf, failedCheck, type NewArbitration } from './arbitration/opening.ts';
import { type BurningJob, burningAt, claimBurned, sharesOf } from './emission/claims.ts';
import { bondOfJob, type JobBond, type PaymentParameters, type TermsRequest, termsOf } from './job-terms.ts';
import { readLedgerAccount, spendable } from './ledger-queries.ts';
import type { Market } from './market.ts';
import { MoneyMoves } from './money-moves.ts';
import { notCovered } from './not-covered.ts';
import { type OverseenRun, passedChecks, payerOf, payLateResults, payRun } from './oversight.ts';
import type { SqlLedger } from './sql-ledger.ts';
import { faultsOfTask } from './stake/faults.ts';
import { type Earning, earningsOf, holdBack } from './stake/held-back.ts';
import type { StakeStore } from './stake/stake-store.ts';
import { settleTurnTask } from './turn-settlement.ts';

export interface SettlementDependencies {
  database: Database;
  ledger: SqlLedger;
  market: Market;
  jobs: JobCache;
  /** Of jobs that are submitted now. Those from before go on in theirs. */
  readonly currency: Currency;
  /** What the faucet gives, it gives at a submit, as much as is missing. */
  readonly hasFaucet: boolean;
  stake: StakeStore;
  parameters: () => PaymentParameters;
  now: () => number;
}

/** A job that somebody is to pay for. */
export interface NewPayment {
  job: string;
  spec: JobSpec;
  buyer: string;
  /** Or replicas. */
  tasks: number;
  /** Whose revision it is; null for what has an end. */
  deployment: string | null;
}

/** What is stored with a job that is paid for. */
export interface PreparedPayment {
  paymentTerms: string;
  escrow: string;
  /** What its leases bind; null where that is nothing. */
  bond: JobBond | null;
  /** Moves the money, when the job is stored. */
  carryOut(): Promise<void>;
}

export class Settlement {
  readonly #dependencies: SettlementDependencies;

  constructor(dependencies: SettlementDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * What covers a job that is about to be stored in this transaction: nothing is written yet. Throws `insufficient-funds`
   * with the amount that is missing, and `invalid-request` where a result could cost more than can be paid.
   */
  async prepare(writer: Writer, { job, spec, buyer, tasks, deployment }: NewPayment): Promise<PreparedPayment> {
    const { ledger, currency, hasFaucet, now } = this.#dependencies;
    const terms = this.#termsOf({ spec, submitter: buyer, tasks });
    const needed = coverOf(terms);
    const moves = new MoneyMoves(currency);
    moves.openWallet(buyer);
    let available = spendable(await readLedgerAccount(writer, accountId(currency, 'wallet', buyer)));
    if (available < needed) {
      if (!hasFaucet) throw notCovered(buyer, { needed, available });
      moves.issue('wallet', buyer, needed - available, transferId('faucet', job));
      available = needed;
    }
    const opened = openEscrow({ job, buyer, terms }, available);
    moves.openEscrow(job, opened.accounts);
    moves.add(opened);
    return {
      paymentTerms: writeTerms(terms),
      escrow: writeRecord(opened.record),
      bond: bondOfJob(terms, { submitter: buyer, isReplicated: isVerified(spec) }),
      carryOut: async () => {
        const at = now();
        if (deployment !== null) {
          await insertPaidService(writer, { job, principal: buyer, name: deployment, beganAt: at, lookedAt: at });
        }
        await moves.carryOut(writer, ledger, at);
      },
    };
  }

  /** What leases of the job would bind if it were submitted now; null where that is nothing. */
  bondOf(spec: JobSpec, submitter: string): JobBond | null {
    const terms = this.#termsOf({ spec, submitter, tasks: 1 });
    return bondOfJob(terms, { submitter, isReplicated: isVerified(spec) });
  }

  #termsOf(request: Pick<TermsRequest, 'spec' | 'submitter' | 'tasks'>): Terms {
    const { market, currency, parameters } = this.#dependencies;
    return termsOf({ ...request, currency, postedMicroFog: market.highest(), parameters: parameters() });
  }

  /**
   * Pays for what a turn has accepted and for what ran when its job was cancelled, and counts how long tasks waited for
   * their first node. Its jobs and tasks are saved: their rows are locked.
   */
  async settle(
    writer: Writer,
    { payments, rows, verification: { checks } }: Pick<Turn, 'payments' | 'rows' | 'verification'>,
    waits: readonly LeaseWait[],
  ): Promise<void> {
    const { jobs, ledger, currency, stake, now } = this.#dependencies;
    // Of what is kept running no result is paid, but the time: `periods/`.
    const paid = [...new Set([...payments.judged.keys(), ...payments.cancelled.keys()])].filter(
      ({ job }) => jobs.get(job).payment?.terms.periodMilliseconds === null,
    );
    const waited = waits.filter(({ job }) => jobs.get(job).payment !== null);
    if (paid.length === 0 && waited.length === 0 && checks.length === 0) return;
    await jobs.load(
      writer,
      checks.flatMap(({ job }) => jobs.get(job).oversight?.by ?? []),
    );
    const runs = passedChecks(checks, { rows, jobs });
    const payers = runs.map(({ payer: { job } }) => job);
    const records = await loadEscrows(writer, [...new Set([...paid, ...waited].map(({ job }) => job).concat(payers))]);
    // Others have one result, which is accepted once.
    const several = [...paid.filter(({ job }) => jobs.get(job).verification !== null), ...runs.map(({ task }) => task)];
    const settlements = await loadSettlements(writer, several);
    const trusted = await readTrusted(writer, paid.filter(({ job }) => isMetered(jobs, job)).flatMap(nodesOf(rows)));
    const at = now();
    for (const { job, since, count } of waited) {
      const record = records.get(job);
      const { terms } = jobs.get(job).payment as Escrow;
      if (record === undefined) continue;
      records.set(job, noteWaits(record, terms, { waitMilliseconds: Math.max(0, at - since), tasks: count }));
    }
    const moves = new MoneyMoves(currency);
    const earnings: Earning[] = [];
    const faults: NewFault[] = [];
    const shares: EmissionShare[] = [];
    const disputes: (NewArbitration | null)[] = checks.map((check) => {
      const job = jobs.get(check.job);
      return failedCheck(check, { job, payer: payerOf(job, jobs), attempts: rows.attemptsOf(check) });
    });
    for (const task of paid) {
      const job = jobs.get(task.job);
      const record = records.get(task.job);
      if (record === undefined) continue;
      const verdicts = payments.judged.get(task) ?? NO_VERDICTS;
      const attempts = rows.attemptsOf(task);
      const step = settleTurnTask(job.payment as Escrow, record, settlements.get(task) ?? NOTHING_PAID, {
        task,
        job,
        verdicts,
        cancelled: payments.cancelled.get(task) ?? [],
        attempts,
        trusted,
        now: at,
      });
      const late = payLateResults(job.payment as Escrow, step, { task, job, attempts });
      records.set(task.job, late.record);
      if (job.verification !== null) settlements.set(task, late.settlement);
      const { terms } = job.payment as Escrow;
      // The job may have been covered when the fog paid in another one.
      for (const { payee } of attempts) if (payee !== null) moves.openWallet(payee, terms.currency ?? currency);
      moves.add(late);
      earnings.push(...earningsOf(task, step.leases, { attempts, verdicts, terms }));
      shares.push(...sharesOf(task, step.leases, { attempts, terms }));
      const found = { verdicts, attempts, settlement: settlements.get(task) };
      faults.push(...faultsOfTask(task, job, { ...found, now: at }));
      if (job.verification !== null) disputes.push(disputeOf(task, job, found));
    }
    payOverseen(runs, { records, settlements, moves });
    const held = await holdBack(stake, earnings, { writer, moves, now: at });
    // PostgreSQL works on the records while the ledger's first statements are written: the rows of the jobs are locked.
    const [, , , , , sequence] = await allOf([
      addShares(writer, shares),
      saveSettlements(writer, settlements),
      saveEscrows(writer, records),
      insertFaults(writer, faults),
      insertArbitrations(
        writer,
        disputes.filter((dispute) => dispute !== null),
        at,
      ),
      moves.carryOut(writer, ledger, at),
    ]);
    if (held !== null) await stake.tell(held, sequence);
  }

  /** Pays for hidden runs that have proven something together, each the same share. The row of the job that pays is locked. */
  async payRuns(writer: Writer, runs: readonly OverseenRun[]): Promise<void> {
    const { ledger, currency, now } = this.#dependencies;
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

  /** Gives back what is left of jobs that have ended. Answers how many; there may be more. */
  async closeEnded(): Promise<number> {
    const { database, jobs, ledger, currency, now } = this.#dependencies;
    return await database.write(async (writer) => {
      const ended = await lockEndedJobs(writer, database.engine);
      if (ended.length === 0) return 0;
      const ids = ended.map(({ id }) => id);
      await jobs.load(writer, ids);
      const records = await loadEscrows(writer, ids);
      const closed = new Map<string, EscrowRecord>();
      const burning: BurningJob[] = [];
      const moves = new MoneyMoves(currency);
      for (const { id, liveLeases, reopenedTasks } of ended) {
        const record = records.get(id);
        const { payment } = jobs.get(id);
        if (record === undefined || payment === null) continue;
        const step = closeEscrow(payment, record, { hasEnded: true, liveLeases, reopenedTasks });
        if (step === null) continue;
        closed.set(id, step.record);
        moves.add(step);
        const burned = burningAt(id, { terms: payment.terms, before: record, after: step.record });
        if (burned !== null) burning.push(burned);
      }
      await saveEscrows(writer, closed);
      await moves.carryOut(writer, ledger, now());
      await claimBurned(writer, burning, { ledger, now: now() });
      return closed.size;
    });
  }
}

/** Pays each out of what is kept of its payer, one after the other. `shares`: the most for each, by payer. */
function payOverseen(
  runs: readonly OverseenRun[],
  {
    records,
    settlements,
    moves,
  }: { records: Map<string, EscrowRecord>; settlements: Map<TurnTask, TaskSettlement>; moves: MoneyMoves },
  shares: ReadonlyMap<string, bigint> = new Map(),
): void {
  for (const run of runs) {
    const record = records.get(run.payer.job);
    if (record === undefined) continue;
    const step = payRun(run, record, settlements.get(run.task), shares.get(run.payer.job));
    records.set(run.payer.job, step.record);
    settlements.set(run.task, step.settlement);
    if (run.attempt.payee !== null) moves.openWallet(run.attempt.payee);
    moves.add(step);
  }
}

function isMetered(jobs: JobCache, job: string): boolean {
  return jobs.get(job).payment?.terms.meter === 'fuel';
}

function nodesOf(rows: Turn['rows']): (task: TurnTask) => string[] {
  return (task) => rows.attemptsOf(task).map(({ node }) => node);
}

const NO_VERDICTS: ReadonlyMap<number, ResultVerdict> = new Map();
