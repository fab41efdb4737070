/**
 * Stake in the coordinator's database: an event in, its rows and its money in one transaction, its facts out. The rules are
 * those of `@fog/economy/staking`.
 */
import type { Transfer } from '@fog/economy/ledger';
import type { StakingEvent, StakingFact } from '@fog/economy/staking';
import type { Database, Writer } from '../../store/database.ts';
import { readLedgerTransfer } from '../ledger-queries.ts';
import { MoneyMoves } from '../money-moves.ts';
import type { SqlLedger } from '../sql-ledger.ts';
import type { StakeListener } from '../stake-listener.ts';
import type { StakeParameters } from './parameters.ts';
import { StakeSession } from './stake-session.ts';

export interface StakeStoreDependencies {
  database: Database;
  ledger: SqlLedger;
  /** Told of what owners have at stake, and asked how long it stays. */
  listener: StakeListener;
  parameters: () => StakeParameters;
  now: () => number;
}

/** Of an event that leaves it to the store until when stake that voted stays. */
export type StakeRequest =
  | Exclude<StakingEvent, { kind: 'unbond' | 'release' }>
  | Omit<Extract<StakingEvent, { kind: 'unbond' }>, 'votesUntil'>
  | Omit<Extract<StakingEvent, { kind: 'release' }>, 'votesUntil'>;

/** One transaction over stake. */
export interface StakeWork {
  readonly writer: Writer;
  readonly session: StakeSession;
  readonly moves: MoneyMoves;
  readonly now: number;
  step(request: StakeRequest): Promise<StakingFact[]>;
}

export class StakeStore {
  readonly #dependencies: StakeStoreDependencies;
  listener: StakeListener;

  constructor(dependencies: StakeStoreDependencies) {
    this.#dependencies = dependencies;
    this.listener = dependencies.listener;
  }

  get parameters(): StakeParameters {
    return this.#dependencies.parameters();
  }

  /** One event in a transaction of its own. Throws what the rules throw; nothing has changed then. */
  async run(request: StakeRequest): Promise<StakingFact[]> {
    return await this.transact((work) => work.step(request));
  }

  /** Several events, all or none. */
  async transact<Result>(work: (stake: StakeWork) => Promise<Result>): Promise<Result> {
    const { database, ledger, now } = this.#dependencies;
    return await database.write(async (writer) => {
      const moves = new MoneyMoves('fog');
      const stake = await this.open(writer, moves, now());
      const result = await work(stake);
      await stake.session.save();
      await this.tell(stake, await moves.carryOut(writer, ledger, stake.now));
      return result;
    });
  }

  /**
   * Inside of another's transaction, which saves the session, carries out `moves` and then calls `tell`. The rows of its
   * jobs are locked before, the ledger is taken behind.
   */
  async open(writer: Writer, moves: MoneyMoves, now: number): Promise<StakeWork> {
    const session = await StakeSession.open(writer, moves);
    const step = async (request: StakeRequest) => {
      return await session.step(await this.#complete(writer, request), now, this.parameters);
    };
    return { writer, session, moves, now, step };
  }

  /** `sequence`: of the ledger behind the moves; null when no money has moved. */
  async tell({ writer, session }: Pick<StakeWork, 'writer' | 'session'>, sequence: number | null): Promise<void> {
    const told = await session.takeMoves();
    if (told.length > 0 && sequence !== null) await this.listener.moved(writer, told, sequence);
  }

  async #complete(writer: Writer, request: StakeRequest): Promise<StakingEvent> {
    if (request.kind !== 'unbond' && request.kind !== 'release') return request;
    const votesUntil = await this.listener.lockedUntil(writer, request.delegator);
    return { ...request, votesUntil };
  }
}

export type DoneTransfer = Pick<Transfer, 'amount' | 'debitAccount' | 'creditAccount'>;

/** What has moved with this id: the request came before. Asked under the lock of stake. */
export async function isDone(writer: Writer, id: bigint): Promise<DoneTransfer | null> {
  return (await readLedgerTransfer(writer, id))?.transfer ?? null;
}
