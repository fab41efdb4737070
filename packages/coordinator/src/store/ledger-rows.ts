/** Statements of the ledger: a fixed number of them, however much there is. */
import { sql } from 'kysely';
import { BODY_BYTES, ID_BYTES } from '../settlement/records.ts';
import { type BulkStatement, type BulkValue, runBulk } from './bulk.ts';
import type { Reader, Writer } from './database.ts';

export interface ClockRow {
  sequence: number;
  batch: number;
  timestamp: Uint8Array;
  expired_until: Uint8Array;
  expired_sequence: number;
}

const holders = new WeakSet<Writer>();

/** Whether a transaction has taken the clock. */
export function holdsClock(writer: Writer): boolean {
  return holders.has(writer);
}

/** Takes the clock until the end of the transaction. SQLite has one writer, and locks the whole database with it. */
export async function lockClock(writer: Writer, engine: 'sqlite' | 'postgres'): Promise<ClockRow> {
  holders.add(writer);
  const lock = engine === 'postgres' ? sql.raw('FOR UPDATE') : sql.raw('');
  const { rows } = await sql<ClockRow>`SELECT sequence, batch, timestamp, expired_until, expired_sequence
    FROM ledger_clock WHERE id = 1 ${lock}`.execute(writer);
  const [row] = rows;
  if (row === undefined) throw new Error('the row of ledger_clock is missing');
  return row;
}

export async function saveClock(writer: Writer, clock: ClockRow): Promise<void> {
  await sql`UPDATE ledger_clock SET sequence = ${clock.sequence}, batch = ${clock.batch},
    timestamp = ${clock.timestamp}, expired_until = ${clock.expired_until},
    expired_sequence = ${clock.expired_sequence} WHERE id = 1`.execute(writer);
}

export interface LoadedAccount {
  number: number;
  id: Uint8Array;
  body: Uint8Array;
  /** Counters; null before the first transfer. */
  balance: Uint8Array | null;
}

const LOAD_ACCOUNTS: BulkStatement = {
  text: `SELECT t.sequence AS number, t.id, t.body,
      (SELECT b.body FROM ledger_balances b WHERE b.account = t.sequence ORDER BY b.sequence DESC LIMIT 1) AS balance
    FROM ROWS AS k CROSS JOIN ledger_accounts t WHERE t.id = k.id`,
  columns: { id: 'bytea' },
};

/** Those of the ids that are there, with their newest balances. */
export function loadAccounts(reader: Reader, ids: readonly Uint8Array[]): Promise<LoadedAccount[]> {
  return runBulk<LoadedAccount>(reader, LOAD_ACCOUNTS, keysOf(ids));
}

export interface LoadedTransfer {
  sequence: number;
  id: Uint8Array;
  body: Uint8Array;
  /** Of the transfer that posted or voided it. */
  resolution: Uint8Array | null;
  expired: number | null;
}

/** Looked up one by one: few are found, and a join would have PostgreSQL read the whole table. */
const LOADED_TRANSFER = `t.sequence, t.id, t.body,
      (SELECT r.body FROM ledger_transfers r WHERE r.pending_id = t.id AND r.pending_id IS NOT NULL) AS resolution,
      (SELECT e.sequence FROM ledger_expiries e WHERE e.id = t.id) AS expired`;

const LOAD_TRANSFERS: BulkStatement = {
  text: `SELECT ${LOADED_TRANSFER} FROM ROWS AS k CROSS JOIN ledger_transfers t WHERE t.id = k.id`,
  columns: { id: 'bytea' },
};

/** Those of the ids that are there, with what became of them where they were pending. */
export function loadTransfers(reader: Reader, ids: readonly Uint8Array[]): Promise<LoadedTransfer[]> {
  return runBulk<LoadedTransfer>(reader, LOAD_TRANSFERS, keysOf(ids));
}

const FIND_IDS: BulkStatement = {
  text: `SELECT f.id, f.made, f.failed FROM (SELECT k.id,
      (SELECT t.sequence FROM ledger_transfers t WHERE t.id = k.id) AS made,
      (SELECT x.sequence FROM ledger_failures x WHERE x.id = k.id) AS failed FROM ROWS AS k) AS f
    WHERE f.made IS NOT NULL OR f.failed IS NOT NULL`,
  columns: { id: 'bytea' },
  lengths: { id: ID_BYTES },
};

/**
 * Those of the ids that are there as transfers, and those that are spent. Most of them are new: they are looked up one by
 * one, since PostgreSQL would join hundreds of them by reading the whole table.
 */
export async function loadKnownIds(
  reader: Reader,
  ids: readonly Uint8Array[],
): Promise<{ transfers: LoadedTransfer[]; failures: { id: Uint8Array }[] }> {
  const found = await runBulk<{ id: Uint8Array; made: number | null; failed: number | null }>(
    reader,
    FIND_IDS,
    keysOf(ids),
  );
  const made = found.filter((row) => row.made !== null).map(({ id }) => id);
  return { transfers: await loadTransfers(reader, made), failures: found.filter((row) => row.failed !== null) };
}

/** Pending transfers that are due behind the place up to which that was seen to, in order of time and sequence. */
export async function loadDue(
  reader: Reader,
  after: Pick<ClockRow, 'expired_until' | 'expired_sequence'>,
  { until, limit }: { until: Uint8Array; limit: number },
): Promise<(LoadedTransfer & { expires_at: Uint8Array })[]> {
  const { rows } = await sql<LoadedTransfer & { expires_at: Uint8Array }>`
    SELECT ${sql.raw(LOADED_TRANSFER)}, t.expires_at FROM ledger_transfers t
    WHERE t.expires_at IS NOT NULL AND t.expires_at <= ${until}
      AND (t.expires_at, t.sequence) > (${after.expired_until}, ${after.expired_sequence})
    ORDER BY t.expires_at, t.sequence LIMIT ${limit}`.execute(reader);
  return rows;
}

/** Whether a transfer is due, without taking the clock. */
export async function isAnyDue(reader: Reader, until: Uint8Array): Promise<boolean> {
  const { rows } = await sql`SELECT 1 AS due FROM ledger_clock c WHERE EXISTS (
    SELECT 1 FROM ledger_transfers t WHERE t.expires_at IS NOT NULL AND t.expires_at <= ${until}
      AND (t.expires_at, t.sequence) > (c.expired_until, c.expired_sequence))`.execute(reader);
  return rows.length > 0;
}

const INSERT_ACCOUNTS: BulkStatement = {
  text: 'INSERT INTO ledger_accounts (sequence, id, body) SELECT sequence, id, body FROM ROWS AS d',
  columns: { sequence: 'bigint', id: 'bytea', body: 'bytea' },
};
const INSERT_TRANSFERS: BulkStatement = {
  text: `INSERT INTO ledger_transfers (sequence, id, body, pending_id, expires_at)
    SELECT sequence, id, body, pending_id, expires_at FROM ROWS AS d`,
  columns: { sequence: 'bigint', id: 'bytea', body: 'bytea', pending_id: 'bytea', expires_at: 'bytea' },
  lengths: { id: ID_BYTES, body: BODY_BYTES.transfer },
};
const INSERT_EXPIRIES: BulkStatement = {
  text: 'INSERT INTO ledger_expiries (sequence, id, body) SELECT sequence, id, body FROM ROWS AS d',
  columns: { sequence: 'bigint', id: 'bytea', body: 'bytea' },
};
const INSERT_FAILURES: BulkStatement = {
  text: 'INSERT INTO ledger_failures (sequence, id) SELECT sequence, id FROM ROWS AS d',
  columns: { sequence: 'bigint', id: 'bytea' },
};
const INSERT_BALANCES: BulkStatement = {
  text: `INSERT INTO ledger_balances (account, sequence, body, entries)
    SELECT account, sequence, body, entries FROM ROWS AS d`,
  columns: { account: 'bigint', sequence: 'bigint', body: 'bytea', entries: 'bytea' },
};

export interface NewLedgerRows {
  accounts: BulkValue[][];
  transfers: BulkValue[][];
  expiries: BulkValue[][];
  failures: BulkValue[][];
  balances: BulkValue[][];
  batch: { number: number; first: number; last: number; at: number };
}

/** Each row as an array in the order of its table's columns. Handed over together, they run in this order. */
export function insertLedgerRows(writer: Writer, rows: NewLedgerRows): Promise<unknown>[] {
  const { number, first, last, at } = rows.batch;
  return [
    runBulk(writer, INSERT_ACCOUNTS, rows.accounts),
    runBulk(writer, INSERT_TRANSFERS, rows.transfers),
    runBulk(writer, INSERT_EXPIRIES, rows.expiries),
    runBulk(writer, INSERT_FAILURES, rows.failures),
    runBulk(writer, INSERT_BALANCES, rows.balances),
    sql`INSERT INTO ledger_batches (number, first_sequence, last_sequence, written_at)
      VALUES (${number}, ${first}, ${last}, ${at})`.execute(writer),
  ];
}

function keysOf(ids: readonly Uint8Array[]): Uint8Array[][] {
  return ids.map((id) => [id]);
}
