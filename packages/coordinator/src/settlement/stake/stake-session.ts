/**
 * What happens to stake in one transaction.
 *
 *     open(): takes the stake -> step(): loads, decides -> save(): the rows -> the money moves -> takeMoves(): for others
 *
 * Whoever has taken the stake is the next to change it, until its commit: one lock for all of it. Every change ends in the
 * ledger, which has one writer as well, so a lock for each validator would let nobody go first. It is taken behind the rows
 * of jobs, and before the ledger.
 */
import { ACCOUNT_CODES, accountId, CURRENCIES } from '@fog/economy/chart';
import { ACCOUNT_FLAGS } from '@fog/economy/ledger';
import {
  type RowChange,
  type StakingEvent,
  type StakingFact,
  type StakingParameters,
  type StakingState,
  stakingStep,
} from '@fog/economy/staking';
import { sql } from 'kysely';
import type { Writer } from '../../store/database.ts';
import { saveStakeRows } from '../../store/stake-rows.ts';
import type { MoneyMoves } from '../money-moves.ts';
import { LoadedStake } from './loaded-stake.ts';
import { type StakeMove, type Touched, takeMoves } from './stake-totals.ts';

/** Takes the stake until the end of the transaction. */
export async function lockStake(writer: Writer): Promise<void> {
  await sql`INSERT INTO stake_marks (name, value) VALUES ('lock', 0)
    ON CONFLICT (name) DO UPDATE SET value = stake_marks.value`.execute(writer);
}

export class StakeSession {
  readonly #writer: Writer;
  readonly #moves: MoneyMoves;
  readonly #loaded: LoadedStake;
  readonly #changes = new Map<string, RowChange>();
  readonly #touched: Touched = { owners: new Set(), validators: new Set() };

  private constructor(writer: Writer, moves: MoneyMoves) {
    this.#writer = writer;
    this.#moves = moves;
    this.#loaded = new LoadedStake(writer);
  }

  /** Its transfers are added to `moves`, behind those that are there. */
  static async open(writer: Writer, moves: MoneyMoves): Promise<StakeSession> {
    await lockStake(writer);
    return new StakeSession(writer, moves);
  }

  /** Rows that were loaded, as they are by now. */
  get rows(): Pick<StakingState, 'get'> {
    return this.#loaded.state;
  }

  /** Loads what these will work on, in as few statements as one of them takes. */
  async prepare(events: readonly StakingEvent[], now: number): Promise<void> {
    await this.#loaded.load(events, now);
  }

  /** Throws what the rules throw, and has changed nothing then. */
  async step(event: StakingEvent, now: number, parameters: StakingParameters): Promise<StakingFact[]> {
    await this.#loaded.load([event], now);
    const before = this.#loaded.state;
    const { accounts, transfers, facts, changes } = stakingStep(before, event, now, parameters);
    for (const change of changes) this.#note(change, event);
    this.#loaded.apply(changes);
    this.#moves.openAccounts(accounts);
    for (const name of payeesOf(event, facts, before)) this.#moves.openWallet(name);
    if (event.kind === 'post' || event.kind === 'decide') this.#moves.openAccounts([INSURANCE]);
    this.#moves.add({ transfers });
    return facts;
  }

  /** The rows; the money moves afterwards, with `moves`. */
  async save(): Promise<void> {
    await saveStakeRows(this.#writer, this.#changes.values());
  }

  /** What owners have bonded more or less than before; known once the rows are saved. */
  async takeMoves(): Promise<StakeMove[]> {
    return await takeMoves(this.#writer, this.#touched);
  }

  #note(change: RowChange, { kind }: StakingEvent): void {
    const { table, validator, key } = change;
    if (table === 'delegations') this.#touched.owners.add(key);
    // A slash changes what each share is worth; nothing else does.
    const isSlash = kind === 'prove' || kind === 'decide';
    if (table === 'validators' && isSlash) this.#touched.validators.add(validator);
    this.#changes.set(`${table}\n${validator}\n${key}`, change);
  }
}

const INSURANCE = {
  id: accountId('fog', 'insurance'),
  ledger: CURRENCIES.fog,
  code: ACCOUNT_CODES.insurance,
  flags: ACCOUNT_FLAGS.debitsMustNotExceedCredits,
};

/** Whose wallets money may come into. */
function payeesOf(event: StakingEvent, facts: readonly StakingFact[], before: Pick<StakingState, 'get'>): string[] {
  const names = facts.flatMap((fact) => ('delegator' in fact ? [fact.delegator] : []));
  if ('delegator' in event) names.push(event.delegator);
  if (event.kind === 'withdraw-commission') names.push(event.validator);
  if (event.kind !== 'post' && event.kind !== 'decide') return names;
  const buyer = before.get('slashes', event.validator, event.fault)?.buyer;
  return buyer === undefined ? names : [...names, buyer];
}
