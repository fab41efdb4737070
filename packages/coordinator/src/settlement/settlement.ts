/**
 * Money for work, in the transactions that the work is accepted in.
 *
 *     submit -> open(): terms and cover     turn -> settle(): payouts of what it accepted     ended -> closeEnded(): the rest
 *
 * What is paid to whom is decided by `@fog/economy/escrow`; here it is read, carried out by the ledger, and saved. The rows
 * of the jobs are locked before the ledger, by everybody.
 */
import { isLongRunning, type JobSpec } from '@fog/contract';
import { accountId, type Currency, transferId } from '@fog/economy/chart';
import {
  closeEscrow,
  coverOf,
  type EscrowRecord,
  openEscrow,
  type Terms,
  writeRecord,
  writeTerms,
} from '@fog/economy/escrow';
import type { JobCache } from '../dispatch/job-cache.ts';
import { isVerified } from '../dispatch/requirements.ts';
import type { Database, Writer } from '../store/database.ts';
import { insertPaidService } from '../store/period-rows.ts';
import { loadEscrows, lockEndedJobs, saveEscrows } from '../store/settlement-rows.ts';
import { type BurningJob, burningAt, claimBurned } from './emission/claims.ts';
import { bondOfJob, type JobBond, type PaymentParameters, type TermsRequest, termsOf } from './job-terms.ts';
import { readLedgerAccount, spendable } from './ledger-queries.ts';
import type { Market } from './market.ts';
import { MoneyMoves } from './money-moves.ts';
import { notCovered } from './not-covered.ts';
import type { OverseenRun } from './oversight.ts';
import { payRuns, settleTurn, type TurnToSettle, type TurnWaits } from './settle-turn.ts';
import type { SqlLedger } from './sql-ledger.ts';
import type { StakeStore } from './stake/stake-store.ts';

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
      if (!hasFaucet) throw notCovered(buyer, { needed, available, isLongRunning: isLongRunning(spec) });
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

  async settle(writer: Writer, turn: TurnToSettle, waits: TurnWaits): Promise<void> {
    await settleTurn(this.#dependencies, writer, turn, waits);
  }

  async payRuns(writer: Writer, runs: readonly OverseenRun[]): Promise<void> {
    await payRuns(this.#dependencies, writer, runs);
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
