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
  assertCovered,
  closeEscrow,
  coverOf,
  type Escrow,
  type EscrowRecord,
  NOTHING_PAID,
  noteWaits,
  openEscrow,
  writeRecord,
  writeTerms,
} from '@fog/economy/escrow';
import type { JobCache } from '../dispatch/job-cache.ts';
import type { LeaseWait } from '../dispatch/queueing/service-waits.ts';
import type { Turn } from '../dispatch/turn.ts';
import type { TurnTask } from '../dispatch/turn-records.ts';
import { SETTLEMENT_LIMITS } from '../limits.ts';
import { allOf } from '../store/bulk.ts';
import type { Database, Writer } from '../store/database.ts';
import { insertFaults, type NewFault } from '../store/fault-rows.ts';
import {
  loadEscrows,
  loadSettlements,
  lockEndedJobs,
  lockEscrows,
  readTrusted,
  saveEscrows,
  saveSettlements,
} from '../store/settlement-rows.ts';
import { type PaymentParameters, termsOf } from './job-terms.ts';
import { readLedgerAccount } from './ledger-queries.ts';
import type { Market } from './market.ts';
import { MoneyMoves } from './money-moves.ts';
import type { SqlLedger } from './sql-ledger.ts';
import { faultsOfTask } from './stake/faults.ts';
import { type Earning, earningsOf, holdBack } from './stake/held-back.ts';
import type { StakeStore } from './stake/stake-store.ts';
import { settleTurnTask } from './turn-settlement.ts';
import { spendable } from './wallets.ts';

export interface SettlementDependencies {
  database: Database;
  ledger: SqlLedger;
  market: Market;
  jobs: JobCache;
  currency: Currency;
  /** What the faucet gives, it gives at a submit, as much as is missing. */
  hasFaucet: boolean;
  stake: StakeStore;
  parameters: () => PaymentParameters;
  now: () => number;
}

/** What is stored with a job that is paid for. */
export interface PreparedPayment {
  paymentTerms: string;
  escrow: string;
  /** Moves the money, when the job is stored. */
  carryOut(): Promise<unknown>;
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
  async prepare(
    writer: Writer,
    { job, spec, buyer, tasks }: { job: string; spec: JobSpec; buyer: string; tasks: number },
  ): Promise<PreparedPayment> {
    const { ledger, market, currency, hasFaucet, parameters, now } = this.#dependencies;
    const terms = termsOf({
      spec,
      submitter: buyer,
      tasks,
      currency,
      postedMicroFog: market.highest(),
      parameters: parameters(),
    });
    const needed = coverOf(terms);
    const moves = new MoneyMoves(currency);
    moves.openWallet(buyer);
    let available = spendable(await readLedgerAccount(writer, accountId(currency, 'wallet', buyer)));
    if (hasFaucet && available < needed) {
      const given = needed - available;
      assertCovered(given, SETTLEMENT_LIMITS.faucetMicroFog);
      moves.issue('wallet', buyer, given, transferId('faucet', job));
      available = needed;
    }
    const opened = openEscrow({ job, buyer, terms }, available);
    moves.openEscrow(job, opened.accounts);
    moves.add(opened);
    return {
      paymentTerms: writeTerms(terms),
      escrow: writeRecord(opened.record),
      carryOut: () => moves.carryOut(writer, ledger, now()),
    };
  }

  /**
   * Pays for what a turn has accepted and for what ran when its job was cancelled, and counts how long tasks waited for
   * their first node. Its tasks are saved; the rows of its jobs are locked here, as they are when they are saved. What it
   * pays is decided while PostgreSQL stores the rest of the turn; nothing is written before that is `stored`, and what has
   * expired meanwhile is known.
   */
  async settle(
    writer: Writer,
    { payments, rows, counts, entries }: Pick<Turn, 'payments' | 'rows' | 'counts' | 'entries'>,
    waits: readonly LeaseWait[],
    stored: Promise<{ expired: readonly LeaseWait[] }>,
  ): Promise<void> {
    const { jobs, ledger, currency, stake, now } = this.#dependencies;
    const paid = [...new Set([...payments.judged.keys(), ...payments.cancelled.keys()])].filter(
      ({ job }) => jobs.get(job).payment !== null,
    );
    const waited = waits.filter(({ job }) => jobs.get(job).payment !== null);
    const named = new Set([...paid, ...waited].map(({ job }) => job));
    const records = await lockEscrows(writer, named, [...counts.keys(), ...entries.keys()]);
    // Others have one result, which is accepted once.
    const several = paid.filter(({ job }) => jobs.get(job).verification !== null);
    const settlements = await loadSettlements(writer, several);
    const trusted = await readTrusted(writer, paid.filter(({ job }) => isMetered(jobs, job)).flatMap(nodesOf(rows)));
    const at = now();
    const moves = new MoneyMoves(currency);
    const earnings: Earning[] = [];
    const faults: NewFault[] = [];
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
      records.set(task.job, step.record);
      if (job.verification !== null) settlements.set(task, step.settlement);
      for (const { payee } of attempts) if (payee !== null) moves.openWallet(payee);
      moves.add(step);
      earnings.push(...earningsOf(task, step.leases, { attempts, verdicts, terms: (job.payment as Escrow).terms }));
      faults.push(...faultsOfTask(task, job, { verdicts, settlement: settlements.get(task), now: at }));
    }
    const late = (await stored).expired.filter(({ job }) => jobs.get(job).payment !== null);
    if (named.size === 0 && late.length === 0) return;
    const others = new Set(late.map(({ job }) => job)).difference(named);
    for (const [job, record] of await loadEscrows(writer, [...others])) records.set(job, record);
    this.#noteWaits(records, [...waited, ...late], at);
    const held = await holdBack(stake, earnings, { writer, moves, now: at });
    // PostgreSQL works on the records while the ledger's first statements are written: the rows of the jobs are locked.
    const [, , , sequence] = await allOf([
      saveSettlements(writer, settlements),
      saveEscrows(writer, records),
      insertFaults(writer, faults),
      moves.carryOut(writer, ledger, at),
    ]);
    if (held !== null) await stake.tell(held, sequence);
  }

  #noteWaits(records: Map<string, EscrowRecord>, waits: readonly LeaseWait[], at: number): void {
    for (const { job, since, count } of waits) {
      const record = records.get(job);
      const { terms } = this.#dependencies.jobs.get(job).payment as Escrow;
      if (record === undefined) continue;
      records.set(job, noteWaits(record, terms, { waitMilliseconds: Math.max(0, at - since), tasks: count }));
    }
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
      const moves = new MoneyMoves(currency);
      for (const { id, liveLeases, reopenedTasks } of ended) {
        const record = records.get(id);
        const { payment } = jobs.get(id);
        if (record === undefined || payment === null) continue;
        const step = closeEscrow(payment, record, { hasEnded: true, liveLeases, reopenedTasks });
        if (step === null) continue;
        closed.set(id, step.record);
        moves.add(step);
      }
      await saveEscrows(writer, closed);
      await moves.carryOut(writer, ledger, now());
      return closed.size;
    });
  }
}

function isMetered(jobs: JobCache, job: string): boolean {
  return jobs.get(job).payment?.terms.meter === 'fuel';
}

function nodesOf(rows: Turn['rows']): (task: TurnTask) => string[] {
  return (task) => rows.attemptsOf(task).map(({ node }) => node);
}

const NO_VERDICTS: ReadonlyMap<number, ResultVerdict> = new Map();
