/**
 * The ledger in the coordinator's database: money moves in the transaction of what it is paid for.
 *
 *     apply: take the clock -> load what the batch names -> the state machine decides -> write what came out
 *
 * The rules are those of `Ledger` in @fog/economy; here is nothing but the way to it and back. The clock is one row.
 * Whoever holds it until its commit is the next to write, so that coordinators who share a database write in one order,
 * and rows are numbered as they are committed. Everything else that a transaction locks, it has to lock before: two that
 * wait for each other are told to try again, which costs a second. A group of writes ends with the one that takes the clock.
 */
import { FogError } from '@fog/contract';
import type {
  AccountStatus,
  CreateResult,
  NewAccount,
  NewTransfer,
  Transfer,
  TransferStatus,
} from '@fog/economy/ledger';
import { LEDGER_HOME_LIMITS } from '../limits.ts';
import { allOf } from '../store/bulk.ts';
import type { Database, Writer } from '../store/database.ts';
import {
  type ClockRow,
  insertLedgerRows,
  isAnyDue,
  type LoadedTransfer,
  loadAccounts,
  loadDue,
  loadKnownIds,
  lockClock,
  type NewLedgerRows,
  saveClock,
} from '../store/ledger-rows.ts';
import { LoadedPart, pendingStatusOf } from './loaded-part.ts';
import { manyIdBytes, readId, readTime, readTransfer, timeBytes } from './records.ts';

export interface LedgerRequest {
  accounts?: readonly NewAccount[];
  transfers?: readonly NewTransfer[];
}

export interface LedgerOutcome {
  /** One for each that was asked for, in order. An account that was there already `exists`. */
  accounts: CreateResult<AccountStatus>[];
  transfers: CreateResult<TransferStatus>[];
  /** Number of the newest row, in the order of commits. */
  sequence: number;
}

const NANOSECONDS_PER_MILLISECOND = 1_000_000n;
const ID_LIMIT = 1n << 128n;

export class SqlLedger {
  readonly #engine: Database['engine'];
  readonly #part = new LoadedPart();

  constructor(engine: Database['engine']) {
    this.#engine = engine;
  }

  /**
   * Opens accounts, then makes transfers, each list as one batch of the state machine. What it refuses is told by its
   * status and changes nothing else; whoever wants all or nothing links them, or throws. `now` is in milliseconds since
   * 1970; the ledger's clock never goes back. Throws `invalid-request` for what is no request, before it writes.
   */
  async apply(writer: Writer, request: LedgerRequest, now: number): Promise<LedgerOutcome> {
    const { accounts = [], transfers = [] } = request;
    const transferIds = namesOf(transfers.flatMap(({ id, pendingId }) => [id, pendingId]));
    // In this order: an id that another transaction has just spent is seen by whoever got the clock after it.
    const [clock, { transfers: known, failures: spent }] = await allOf([
      lockClock(writer, this.#engine),
      loadKnownIds(writer, transferIds),
    ]);
    const rows = await loadAccounts(writer, accountsOf({ accounts, transfers }, known));
    const before = later(readTime(clock.timestamp), now);
    const opened = before + BigInt(accounts.length);
    const timestamp = opened + BigInt(transfers.length);
    const part = this.#part;
    part.clear();
    part.addAccounts(rows);
    part.addTransfers(known);
    part.addFailures(spent);
    const outcome = {
      accounts: part.ledger.createAccounts(accounts, opened),
      transfers: part.ledger.createTransfers(transfers, timestamp),
    };
    const created = accounts.filter((_, index) => outcome.accounts[index]?.status === 'created');
    const fresh = part.takeRows(clock, { at: now, opened: created }, timestamp);
    if (fresh === null) return { ...outcome, sequence: clock.sequence };
    await write(writer, fresh, { ...clock, timestamp: timeBytes(timestamp) });
    return { ...outcome, sequence: fresh.batch.last };
  }

  /**
   * Takes the clock until the end of the transaction, for what moves no money and has its place between what does. Answers
   * the tick that is not over, and the time in milliseconds, which goes back for no coordinator.
   */
  async tick(writer: Writer, now: number): Promise<{ sequence: number; nowMilliseconds: number }> {
    const clock = await lockClock(writer, this.#engine);
    const before = readTime(clock.timestamp);
    const timestamp = later(before, now);
    if (timestamp > before) await saveClock(writer, { ...clock, timestamp: timeBytes(timestamp) });
    return { sequence: clock.sequence + 1, nowMilliseconds: Number(timestamp / NANOSECONDS_PER_MILLISECOND) };
  }

  /**
   * Releases what pending transfers reserved whose time is over, the first ones at most as many as a batch takes.
   * Answers how many, and whether there may be more.
   */
  async expirePending(writer: Writer, now: number): Promise<{ expired: number; isMore: boolean }> {
    const clock = await lockClock(writer, this.#engine);
    const timestamp = later(readTime(clock.timestamp), now) + 1n;
    const limit = LEDGER_HOME_LIMITS.expiriesPerBatch;
    const due = await loadDue(writer, clock, { until: timeBytes(timestamp), limit });
    const last = due.at(-1);
    if (last === undefined) return { expired: 0, isMore: false };
    const open = due.filter((row) => pendingStatusOf(row) === 'pending');
    const transfers = open.map((row) => readTransfer(readId(row.id), row.body));
    const rows = await loadAccounts(writer, accountsOf({}, open));
    const part = this.#part;
    part.clear();
    part.addAccounts(rows);
    part.addTransfers(open);
    const expired = part.ledger.expirePending(timestamp);
    if (expired !== open.length) {
      throw new FogError('internal', `${open.length} pending transfers are due, and the ledger released ${expired}`);
    }
    const place = { expired_until: last.expires_at, expired_sequence: last.sequence };
    const fresh = part.takeRows(clock, { at: now, opened: [], expired: transfers }, timestamp);
    const next = { ...clock, ...place, timestamp: timeBytes(timestamp) };
    if (fresh === null) await saveClock(writer, next);
    else await write(writer, fresh, next);
    return { expired, isMore: due.length === limit };
  }

  /** What a sweep does: releases all that is due, a batch a transaction. Answers how many. */
  async sweepExpired(database: Pick<Database, 'read' | 'write'>, now: number): Promise<number> {
    if (!(await isAnyDue(database.read, timeBytes(BigInt(now) * NANOSECONDS_PER_MILLISECOND)))) return 0;
    let total = 0;
    for (;;) {
      const { expired, isMore } = await database.write((writer) => this.expirePending(writer, now));
      total += expired;
      if (!isMore) return total;
    }
  }
}

async function write(writer: Writer, rows: NewLedgerRows, clock: ClockRow): Promise<void> {
  const { number, last } = rows.batch;
  await allOf([...insertLedgerRows(writer, rows), saveClock(writer, { ...clock, batch: number, sequence: last })]);
}

/** The later of the ledger's time and a clock's, in nanoseconds. */
function later(timestamp: bigint, now: number): bigint {
  const told = BigInt(Math.trunc(now)) * NANOSECONDS_PER_MILLISECOND;
  return told > timestamp ? told : timestamp;
}

/** All accounts that a batch may touch. */
function accountsOf({ accounts = [], transfers = [] }: LedgerRequest, known: readonly LoadedTransfer[]): Buffer[] {
  const ids: bigint[] = accounts.map(({ id }) => id);
  const add = ({ debitAccount, creditAccount }: Pick<Transfer, 'debitAccount' | 'creditAccount'>) =>
    ids.push(debitAccount, creditAccount);
  for (const transfer of transfers) add(transfer);
  for (const { body } of known) add(readTransfer(0n, body));
  return namesOf(ids);
}

/** Each once, as bytes. What cannot be an id names nothing; the state machine says so. */
function namesOf(ids: readonly (bigint | undefined)[]): Buffer[] {
  const named = new Set<bigint>();
  for (const id of ids) if (typeof id === 'bigint' && id > 0n && id < ID_LIMIT) named.add(id);
  return manyIdBytes(named);
}
