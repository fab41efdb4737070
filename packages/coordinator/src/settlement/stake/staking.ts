/** Stake as the routes ask for it: each acts for itself, and everybody sees who can be delegated to and who was slashed. */
import { createHash } from 'node:crypto';
import { FogError, type SlashRecord, type Stake, type StakeChange, type ValidatorStanding } from '@fog/contract';
import { accountId, type Currency, transferId } from '@fog/economy/chart';
import { assertCovered } from '@fog/economy/escrow';
import { STAKING_LIMITS, type Validator } from '@fog/economy/staking';
import { decodeCursor, encodeCursor } from '../../access/page-cursor.ts';
import type { Caller, Page, PageRequest } from '../../service.ts';
import type { Database } from '../../store/database.ts';
import { changeFault, readFault } from '../../store/fault-rows.ts';
import { readDelegationsOf, readSlashes, readValidators } from '../../store/stake-queries.ts';
import { readLedgerAccount, spendable } from '../ledger-queries.ts';
import { STAKE_HOME_LIMITS } from './limits.ts';
import { type DoneTransfer, isDone, type StakeRequest, type StakeStore, type StakeWork } from './stake-store.ts';
import { readStake, slashRecordOf, standingOf } from './stake-view.ts';

export interface StakingDependencies {
  database: Database;
  stake: StakeStore;
  now: () => number;
}

type Keyed = Extract<StakeChange, { key: string }>;
type Unkeyed = Extract<StakeChange, { kind: 'unjail' | 'commission' }>;

export class Staking {
  readonly #dependencies: StakingDependencies;

  constructor(dependencies: StakingDependencies) {
    this.#dependencies = dependencies;
  }

  /** Throws `forbidden` where the caller asks for another's. */
  async get(caller: Caller, named: string | undefined): Promise<Stake> {
    const isOwn = named === undefined || named === caller.principal;
    if (!isOwn && caller.scope !== 'admin' && caller.scope !== 'read') {
      throw new FogError('forbidden', `the stake of ${named} is for ${named} and the operator alone`, {
        hint: 'leave --principal out for your own; fog stake validators for what everybody may see',
      });
    }
    return await this.#read(named ?? caller.principal);
  }

  /**
   * Throws what the rules throw: `insufficient-funds` with what is missing, `forbidden` for money of the faucet,
   * `conflict` for what has to wait, and for a key that did something else.
   */
  async change(caller: Caller, change: StakeChange): Promise<Stake> {
    const { stake } = this.#dependencies;
    const { principal } = caller;
    if ('key' in change) await stake.transact((work) => this.#doOnce(work, principal, change));
    else if (change.kind === 'withdraw') await stake.transact((work) => withdrawAll(work, principal, change.validator));
    else await stake.run(requestOf(principal, change));
    return await this.#read(principal);
  }

  async validators({ cursor, limit }: PageRequest): Promise<Page<ValidatorStanding>> {
    const after = decodeCursor(cursor, /^[A-Za-z0-9._-]{1,63}$/);
    const rows = await readValidators(this.#dependencies.database.read, { after, limit: limit + 1 });
    const shown = rows.slice(0, limit);
    const next = rows.length > limit ? encodeCursor((shown.at(-1) as Validator).validator) : null;
    return { items: shown.map(standingOf), next };
  }

  async slashes({
    cursor,
    limit,
    validator,
  }: PageRequest & { validator?: string | undefined }): Promise<Page<SlashRecord>> {
    const after = decodeCursor(cursor, /^[a-z0-9/]{1,40}$/);
    const { read } = this.#dependencies.database;
    const rows = await readSlashes(read, { validator: validator ?? null, after, limit: limit + 1 });
    const shown = rows.slice(0, limit).map(slashRecordOf);
    return { items: shown, next: rows.length > limit ? encodeCursor((shown.at(-1) as SlashRecord).fault) : null };
  }

  /** Throws `not-found` for a slash that is none of the caller's. */
  async appeal(caller: Caller, { fault, reason }: { fault: string; reason: string }): Promise<SlashRecord> {
    await this.#dependencies.stake.transact(async ({ writer, step }) => {
      const row = await readFault(writer, fault);
      if (row === undefined || row.validator !== caller.principal) throw noSlash(fault);
      await step({ kind: 'appeal', validator: row.validator, fault });
      await changeFault(writer, fault, { appeal_reason: reason });
    });
    return await this.#slash(fault);
  }

  async decide(
    caller: Caller,
    { fault, verdict, reason }: { fault: string; verdict: 'upheld' | 'overturned'; reason: string },
  ): Promise<SlashRecord> {
    await this.#dependencies.stake.transact(async ({ writer, step }) => {
      const row = await readFault(writer, fault);
      if (row === undefined) throw noSlash(fault);
      await step({ kind: 'decide', validator: row.validator, fault, isOverturned: verdict === 'overturned' });
      await changeFault(writer, fault, { decided_by: caller.principal, decision_reason: reason });
    });
    return await this.#slash(fault);
  }

  async #slash(fault: string): Promise<SlashRecord> {
    const { read } = this.#dependencies.database;
    const row = await readFault(read, fault);
    const found =
      row === undefined ? [] : await readSlashes(read, { validator: row.validator, exactly: fault, limit: 1 });
    const [slash] = found;
    if (slash === undefined) throw noSlash(fault);
    return slashRecordOf(slash);
  }

  async #read(principal: string): Promise<Stake> {
    const { database, stake, now } = this.#dependencies;
    return await readStake(database.read, principal, { now: now(), listener: stake.listener });
  }

  /** Under the lock of stake: the transfer that a request leads to tells whether it came before. */
  async #doOnce(work: StakeWork, principal: string, change: Keyed): Promise<void> {
    const cause = causeOf(principal, change);
    const known = await isDone(work.writer, transferId(TRANSFERS[change.kind], cause));
    if (known !== null) return assertSame(known, principal, change);
    if (change.kind === 'bond' || change.kind === 'delegate') await assertFunds(work, principal, change);
    if (change.kind === 'bond') await openIfNew(work, principal, change.commissionPpm ?? null);
    await work.step(keyedRequestOf(principal, change, cause));
  }
}

function noSlash(fault: string): FogError {
  return new FogError('not-found', `there is no slash for ${fault}, or it is another's`, { hint: 'fog stake slashes' });
}

function requestOf(principal: string, change: Unkeyed): StakeRequest {
  if (change.kind === 'unjail') return { kind: 'unjail', validator: principal };
  return { kind: 'set-commission', validator: principal, commissionPpm: BigInt(change.commissionPpm) };
}

function keyedRequestOf(delegator: string, change: Keyed, cause: string): StakeRequest {
  const amount = change.amount === null ? null : BigInt(change.amount);
  switch (change.kind) {
    case 'bond':
    case 'delegate': {
      const validator = change.kind === 'bond' ? delegator : change.validator;
      const currency: Currency = change.currency ?? 'fog';
      return { kind: 'delegate', validator, delegator, amount: amount ?? 0n, currency, cause };
    }
    case 'unbond':
      return { kind: 'unbond', validator: change.validator ?? delegator, delegator, amount, cause };
    case 'redelegate':
      return { kind: 'redelegate', validator: change.from, to: change.to, delegator, amount, cause };
  }
}

/** The same for the same key, of any length. */
function causeOf(principal: string, { kind, key }: Keyed): string {
  return createHash('sha256').update(`${kind}\n${principal}\n${key}`).digest('hex');
}

/** The transfer that each request makes, if it does anything. */
const TRANSFERS = { bond: 'bond', delegate: 'bond', unbond: 'unbond', redelegate: 'redelegate' } as const;

/** Throws `conflict` where a key did something else. Whoever asked for "all" is not told from who asked for an amount. */
function assertSame(known: DoneTransfer, principal: string, change: Keyed): void {
  const asked = change.amount === null ? known.amount : BigInt(change.amount);
  const isLeaving = change.kind === 'unbond' || change.kind === 'redelegate';
  // Of what left, the rest of a small delegation may have gone with it.
  const mostMore = isLeaving ? STAKING_LIMITS.leastDelegationMicroFog : 1n;
  const isAmount = known.amount >= asked && known.amount - asked < mostMore;
  const to =
    change.kind === 'redelegate' ? change.to : 'validator' in change ? (change.validator ?? principal) : principal;
  const isTo = known.creditAccount === accountId('fog', change.kind === 'unbond' ? 'unbonding' : 'bonded', to);
  const isFrom = change.kind !== 'redelegate' || known.debitAccount === accountId('fog', 'bonded', change.from);
  if (isAmount && isTo && isFrom) return;
  throw new FogError('conflict', 'this key was used for another amount, or another validator', {
    hint: 'use a new key for each change',
  });
}

/** Rewards of one delegation, or of all, and the commission of the caller's own validator. */
async function withdrawAll(
  { writer, now, step }: StakeWork,
  principal: string,
  named: string | undefined,
): Promise<void> {
  // What a second one pays has been earned since.
  const cause = createHash('sha256').update(`withdraw\n${principal}\n${now}`).digest('hex');
  const own = (await readValidators(writer, { exactly: principal, limit: 1 })).length > 0;
  const isOwn = own && (named === undefined || named === principal);
  const delegations = await readDelegationsOf(writer, principal, STAKE_HOME_LIMITS.shownParts);
  const wanted = delegations.filter(({ validator }) => named === undefined || validator === named);
  if (wanted.length === 0 && !isOwn) {
    throw new FogError(
      'not-found',
      `${principal} has nothing staked ${named === undefined ? '' : `with ${named}`}`.trim(),
    );
  }
  for (const { validator, delegator } of wanted) await step({ kind: 'withdraw', validator, delegator, cause });
  if (isOwn) await step({ kind: 'withdraw-commission', validator: principal, cause: `${cause}/commission` });
}

/** Throws `conflict` where a commission is named that the validator, who is there already, does not have. */
async function openIfNew(
  { session, now, step }: StakeWork,
  principal: string,
  commissionPpm: number | null,
): Promise<void> {
  const open = { kind: 'open', validator: principal, commissionPpm: BigInt(commissionPpm ?? 0) } as const;
  await session.prepare([open], now);
  const validator = session.rows.get('validators', principal);
  if (validator === undefined) {
    await step(open);
    return;
  }
  if (commissionPpm === null || validator.commissionPpm === open.commissionPpm) return;
  throw new FogError('conflict', `${principal} is a validator already, with another commission`, {
    hint: `bond without a commission; fog stake commission ${commissionPpm / 10_000} changes it, by one point a day at most`,
  });
}

/** Money of the faucet is refused by the rules; here only the one who has nothing else is told why. */
async function assertFunds(
  { writer }: StakeWork,
  principal: string,
  { amount, currency = 'fog' }: Extract<Keyed, { kind: 'bond' | 'delegate' }>,
): Promise<void> {
  if (currency !== 'fog') return;
  const available = spendable(await readLedgerAccount(writer, accountId('fog', 'wallet', principal)));
  const given = spendable(await readLedgerAccount(writer, accountId('faucet', 'wallet', principal)));
  if (available < BigInt(amount) && given >= BigInt(amount)) {
    throw new FogError('insufficient-funds', 'what the faucet gave can be neither staked nor voted with', {
      details: { needed: amount, available: String(available), missing: String(BigInt(amount) - available) },
      hint: 'it pays for jobs only; earn FOG by work, or receive it',
    });
  }
  assertCovered(BigInt(amount), available);
}
