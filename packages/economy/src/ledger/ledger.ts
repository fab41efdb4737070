/**
 * A double-entry ledger, pure and in memory, after TigerBeetle's rules: every transfer takes from one account what it
 * gives to another, happens once under its id, and is never changed. Sources: TigerBeetle's reference, and its state
 * machine at commit 52ad553f9.
 *
 * It is used in two ways. Whole: all events of its life are given to it, from the first or from a snapshot. Or as a part:
 * a home that keeps accounts and transfers elsewhere clears it, loads what a batch names, lets it decide, and takes the
 * changes. A batch names its ids, its pending ids and its accounts, and the accounts of the pending transfers.
 */
import { createHash } from 'node:crypto';
import { FogError } from '@fog/contract';
import { AccountRules } from './account-rules.ts';
import type { Account, AccountBalance, NewAccount } from './accounts.ts';
import { type BatchResult, type EventRules, runBatch } from './batch.ts';
import {
  changesSince,
  type LedgerChanges,
  type LedgerRowChanges,
  type Mark,
  markOf,
  type TransferVisitor,
  visitChanges,
} from './changes.ts';
import { assertWide, decodeAccount, decodeTransfer, encodeAccount, encodeTransfer } from './codec.ts';
import type { AccountFilter, QueryFilter } from './filters.ts';
import { BODY_BYTES, BODY_WORDS, TRANSFER_WORDS, wordsOf } from './layout.ts';
import { LEDGER_LIMITS } from './limits.ts';
import { accountBalances, accountTransfers, queryAccounts, queryTransfers } from './queries.ts';
import { notLoaded, releaseReserved } from './resolving-rules.ts';
import { restoreInto, snapshotOf } from './snapshot.ts';
import { LedgerState } from './state.ts';
import {
  ACCOUNT_STATUS_NAMES,
  type AccountStatus,
  type CreateResult,
  TRANSFER_STATUS_NAMES,
  type TransferStatus,
} from './statuses.ts';
import { type LedgerTotals, totalsOf } from './totals.ts';
import { TransferRules } from './transfer-rules.ts';
import { SPENT } from './transfer-store.ts';
import {
  type NewTransfer,
  PENDING_STATUS_NAMES,
  PENDING_STATUSES,
  type PendingStatus,
  type Transfer,
} from './transfers.ts';
import { compare64, read64, read128, write64, write128 } from './wide.ts';

const MOST_TIMESTAMP = (1n << 63n) - 1n;
const NO_ROOM_YET = 16;

export interface LedgerOptions {
  /** Room to begin with; more is made as it is needed, up to LEDGER_LIMITS. */
  accounts?: number;
  transfers?: number;
  /** Decides where ids lie in the index, and nothing else: a secret one keeps strangers from choosing ids that collide. */
  indexSeed?: number;
}

export class Ledger {
  readonly #state: LedgerState;
  readonly #accountRules: AccountRules;
  readonly #transferRules: TransferRules;
  readonly #first = new Uint32Array(2);
  readonly #id = new Uint32Array(4);
  /** Bodies of the events that come as objects. */
  #bodies = new Uint32Array(0);
  /** What was loaded or asked for already; everything beyond it is a change. */
  #mark: Mark;
  /** Rows that expired since, in a ledger that was loaded. */
  #expired: number[] = [];
  #isLoaded = false;

  constructor({ accounts = NO_ROOM_YET, transfers = NO_ROOM_YET, indexSeed = 0 }: LedgerOptions = {}) {
    assertRoomAsked(accounts, LEDGER_LIMITS.accounts, 'accounts');
    assertRoomAsked(transfers, LEDGER_LIMITS.transfers, 'transfers');
    this.#state = new LedgerState({ accounts, transfers, seed: indexSeed });
    this.#accountRules = new AccountRules(this.#state);
    this.#transferRules = new TransferRules(this.#state);
    this.#mark = markOf(this.#state);
  }

  /**
   * Opens accounts, one after the other. `timestamp` is the time of the last one, in nanoseconds; each before it is one
   * nanosecond earlier, and the first has to be later than everything before. Throws `invalid-request` for a time that
   * is not, for too many events and for fields that do not fit, and `storage-full`: then nothing has happened.
   */
  createAccounts(accounts: readonly NewAccount[], timestamp: bigint): CreateResult<AccountStatus>[] {
    const bodies = this.#encode(accounts, encodeAccount);
    const result = this.#run(this.#accountRules, bodies, accounts.length, timestamp);
    return resultsOf(result, ACCOUNT_STATUS_NAMES);
  }

  /** The same for transfers. Throws `not-found` too, when a pending transfer's account was not loaded. */
  createTransfers(transfers: readonly NewTransfer[], timestamp: bigint): CreateResult<TransferStatus>[] {
    const bodies = this.#encode(transfers, encodeTransfer);
    const result = this.#run(this.#transferRules, bodies, transfers.length, timestamp);
    return resultsOf(result, TRANSFER_STATUS_NAMES);
  }

  /** `createAccounts` of bodies of 128 bytes; answers a byte an account, a number of ACCOUNT_STATUSES. */
  applyAccounts(batch: Uint8Array, timestamp: bigint): Uint8Array {
    return this.#run(this.#accountRules, wordsOf(batch), eventsOf(batch), timestamp).statuses;
  }

  /** `createTransfers` of bodies of 128 bytes; answers a byte a transfer, a number of TRANSFER_STATUSES. */
  applyTransfers(batch: Uint8Array, timestamp: bigint): Uint8Array {
    return this.#run(this.#transferRules, wordsOf(batch), eventsOf(batch), timestamp).statuses;
  }

  /**
   * Releases what pending transfers reserved whose time is over: in the order in which they expire, those of one time as
   * they were made. Answers how many. Throws `invalid-request` when `now` is before the last event.
   */
  expirePending(now: bigint): number {
    assertTimestamp(now);
    const { last, expiry, transfers, accounts } = this.#state;
    write64(this.#first, 0, now);
    if (compare64(this.#first, 0, last, 0) < 0) throw outOfOrder(now, read64(last, 0));
    last.set(this.#first);
    let expired = 0;
    for (;;) {
      const row = expiry.popUntil(this.#first[0] as number, this.#first[1] as number);
      if (row < 0) return expired;
      if (transfers.status(row) !== PENDING_STATUSES.pending) continue;
      const body = transfers.piece(row);
      const at = transfers.at(row);
      const debit = accounts.find(body, at + TRANSFER_WORDS.debitAccount);
      const credit = accounts.find(body, at + TRANSFER_WORDS.creditAccount);
      if (debit < 0 || credit < 0) throw notLoaded('an account of the pending transfer', read128(body, at));
      releaseReserved(accounts.words, body, at, debit, credit, true);
      this.#state.resolve(row, PENDING_STATUSES.expired);
      if (this.#isLoaded) this.#expired.push(row);
      expired += 1;
    }
  }

  account(id: bigint): Account | null {
    const row = this.#state.accounts.find(this.#idWords(id), 0);
    return row < 0 ? null : decodeAccount(this.#state.accounts.words, row * BODY_WORDS);
  }

  transfer(id: bigint): Transfer | null {
    const row = this.#transferRow(id);
    return row < 0 ? null : decodeTransfer(this.#state.transfers.piece(row), this.#state.transfers.at(row));
  }

  /** null for a transfer that is not there, or that was never pending. */
  pendingStatus(id: bigint): PendingStatus | null {
    const row = this.#transferRow(id);
    return row < 0 ? null : (PENDING_STATUS_NAMES[this.#state.transfers.status(row)] ?? null);
  }

  /** Whether a transfer with this id failed because of the state that it met: the id is spent. */
  hasFailed(id: bigint): boolean {
    return this.#entry(id) > SPENT;
  }

  /** Transfers of an account. Takes as long as the account has transfers. */
  accountTransfers(filter: AccountFilter): Transfer[] {
    return accountTransfers(this.#state, filter);
  }

  /** Balances of an account with `history` after its transfers; of another one none. */
  accountBalances(filter: AccountFilter): AccountBalance[] {
    return accountBalances(this.#state, filter);
  }

  /** Looks at every account. */
  queryAccounts(filter: QueryFilter): Account[] {
    return queryAccounts(this.#state, filter);
  }

  /** Looks at every transfer. */
  queryTransfers(filter: QueryFilter): Transfer[] {
    return queryTransfers(this.#state, filter);
  }

  /** Sums of the counters of all accounts, by ledger. Debits and credits are equal, pending and posted ones apart. */
  totals(): Map<number, LedgerTotals> {
    return totalsOf(this.#state);
  }

  /** Loads an account as it is elsewhere, or replaces it by that. */
  importAccount(account: Account): void {
    const body = this.#encode([account], encodeAccount);
    const { accounts } = this.#state;
    const known = accounts.find(body, 0);
    if (known >= 0) {
      accounts.words.set(body.subarray(0, BODY_WORDS), known * BODY_WORDS);
    } else {
      this.#assertUnchanged();
      accounts.reserve(1);
      accounts.append(body, 0);
      this.#loaded();
    }
    this.#advance(account.timestamp);
  }

  /** Loads a transfer; `pending` is what became of it. Throws `conflict` when it is there already. */
  importTransfer(transfer: Transfer, pending: PendingStatus | null): void {
    this.#assertUnchanged();
    const body = this.#encode([transfer], encodeTransfer);
    const { accounts, transfers } = this.#state;
    const hash = transfers.hash(body, 0);
    if (transfers.find(body, 0, hash) !== 0) throw alreadyLoaded(transfer.id);
    transfers.reserve(1, 0, 1);
    transfers.expect(body, 1);
    const row = transfers.append(body, 0, hash, pending === null ? 0 : PENDING_STATUSES[pending]);
    const debit = accounts.find(body, TRANSFER_WORDS.debitAccount);
    const credit = accounts.find(body, TRANSFER_WORDS.creditAccount);
    if (debit >= 0 && credit >= 0) transfers.link(row, accounts, debit, credit);
    if (pending === 'pending') this.#state.expires(row);
    this.#loaded();
    this.#advance(transfer.timestamp);
  }

  /** Loads an id that is spent. Throws `conflict` when it is there already. */
  markFailed(id: bigint): void {
    this.#assertUnchanged();
    const { transfers } = this.#state;
    const words = this.#idWords(id);
    const hash = transfers.hash(words, 0);
    if (transfers.find(words, 0, hash) !== 0) throw alreadyLoaded(id);
    transfers.reserve(0, 1, 1);
    transfers.spend(words, 0, hash);
    this.#loaded();
  }

  /** Forgets everything, the time too. */
  clear(): void {
    this.#state.clear();
    this.#mark = markOf(this.#state);
    this.#expired = [];
    this.#isLoaded = false;
  }

  /** What changed since the ledger was loaded, or since the last call. */
  takeChanges(): LedgerChanges {
    const changes = changesSince(this.#state, this.#mark, this.#expired);
    this.#forgetChanges();
    return changes;
  }

  /** The same, with the transfers told to `visit` as they lie in memory, in the layout of `BODY_BYTES`. */
  visitChanges(visit: TransferVisitor): LedgerRowChanges {
    const changes = visitChanges(this.#state, this.#mark, this.#expired, visit);
    this.#forgetChanges();
    return changes;
  }

  /** The state in parts of 1 MiB at most. They are views: to be written or copied before the next event. */
  snapshot(): Iterable<Uint8Array> {
    return snapshotOf(this.#state);
  }

  /** Puts a snapshot in the place of the state, cut anew or not. Throws `invalid-request` and is empty when it is none. */
  restore(parts: Iterable<Uint8Array>): void {
    this.clear();
    try {
      restoreInto(this.#state, parts);
    } catch (error) {
      this.clear();
      throw error;
    }
    this.#mark = markOf(this.#state);
  }

  /** SHA-256 of the whole state: of its snapshot. */
  digest(): Uint8Array {
    const hash = createHash('sha256');
    for (const part of snapshotOf(this.#state)) hash.update(part);
    return new Uint8Array(hash.digest());
  }

  #run(rules: EventRules, bodies: Uint32Array, count: number, timestamp: bigint): BatchResult {
    assertBatch(count);
    assertTimestamp(timestamp);
    if (count === 0) return { statuses: new Uint8Array(0), times: new Uint32Array(0) };
    const first = timestamp - BigInt(count) + 1n;
    const last = read64(this.#state.last, 0);
    if (first <= last) throw outOfOrder(first, last);
    write64(this.#first, 0, first);
    return runBatch(this.#state, rules, bodies, count, this.#first);
  }

  #encode<Item>(items: readonly Item[], encode: (item: Item, words: Uint32Array, at: number) => void): Uint32Array {
    assertBatch(items.length);
    if (this.#bodies.length < items.length * BODY_WORDS) this.#bodies = new Uint32Array(items.length * BODY_WORDS);
    items.forEach((item, index) => {
      encode(item, this.#bodies, index * BODY_WORDS);
    });
    return this.#bodies;
  }

  #idWords(id: bigint): Uint32Array {
    assertWide(id, 128, 'the id');
    write128(this.#id, 0, id);
    return this.#id;
  }

  #entry(id: bigint): number {
    const words = this.#idWords(id);
    return this.#state.transfers.find(words, 0, this.#state.transfers.hash(words, 0));
  }

  #transferRow(id: bigint): number {
    const entry = this.#entry(id);
    return entry > SPENT ? -1 : entry - 1;
  }

  #assertUnchanged(): void {
    const now = markOf(this.#state);
    const isSame = (Object.keys(now) as (keyof Mark)[]).every((key) => now[key] === this.#mark[key]);
    if (isSame) return;
    throw new FogError('conflict', 'the ledger has changed since it was loaded', {
      hint: 'take the changes before loading more, or clear it',
    });
  }

  #forgetChanges(): void {
    this.#mark = markOf(this.#state);
    this.#expired = [];
  }

  #loaded(): void {
    this.#isLoaded = true;
    this.#mark = markOf(this.#state);
  }

  #advance(timestamp: bigint): void {
    if (timestamp > read64(this.#state.last, 0)) write64(this.#state.last, 0, timestamp);
  }
}

function resultsOf<Status extends AccountStatus | TransferStatus>(
  { statuses, times }: BatchResult,
  names: readonly (Status | undefined)[],
): CreateResult<Status>[] {
  return Array.from(statuses, (number, event) => ({
    status: names[number] as Status,
    timestamp: read64(times, event * 2),
  }));
}

function eventsOf(batch: Uint8Array): number {
  if (batch.byteLength % BODY_BYTES === 0) return batch.byteLength / BODY_BYTES;
  throw new FogError('invalid-request', `a batch of ${batch.byteLength} bytes is no whole number of events`, {
    details: { bytes: batch.byteLength },
    hint: `each takes ${BODY_BYTES} bytes`,
  });
}

function assertBatch(count: number): void {
  if (count <= LEDGER_LIMITS.batchEvents) return;
  throw new FogError('invalid-request', `a batch has ${LEDGER_LIMITS.batchEvents} events at most, not ${count}`, {
    details: { count, most: LEDGER_LIMITS.batchEvents },
    hint: 'divide it; linked events stay together',
  });
}

function assertTimestamp(timestamp: bigint): void {
  if (typeof timestamp === 'bigint' && timestamp > 0n && timestamp <= MOST_TIMESTAMP) return;
  throw new FogError('invalid-request', `the time of a batch is ${timestamp}; it has to be from 1 to 2^63 - 1`, {
    hint: 'it is a bigint of nanoseconds',
  });
}

function assertRoomAsked(count: number, most: number, what: string): void {
  if (Number.isInteger(count) && count >= 0 && count <= most) return;
  throw new FogError('invalid-request', `room for ${count} ${what} is asked for; it is from 0 to ${most}`);
}

function outOfOrder(time: bigint, last: bigint): FogError {
  return new FogError('invalid-request', `an event at ${time} would not be later than the last, at ${last}`, {
    details: { time: String(time), last: String(last) },
    hint: 'the time of a batch is that of its last event; the others are a nanosecond earlier each',
  });
}

function alreadyLoaded(id: bigint): FogError {
  return new FogError('conflict', `the transfer ${id} is loaded already`, { details: { id: String(id) } });
}
