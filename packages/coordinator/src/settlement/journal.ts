/** The ledger's rows as they lie in the database, batch by batch. */
import { sql } from 'kysely';
import type { Reader } from '../store/database.ts';
import type { BatchHeader } from './chain.ts';
import type { LedgerRecord, RecordKind } from './records.ts';

export interface StoredSeal {
  hash: Uint8Array;
  checks: Uint8Array;
  sealedAt: number;
}

export interface StoredBalance {
  /** Sequence of the account's row. */
  account: number;
  sequence: number;
  body: Uint8Array;
  entries: Uint8Array;
}

/** A record with the columns of its row that repeat what is in it. */
export interface StoredRecord extends LedgerRecord {
  pendingId: Uint8Array | null;
  expiresAt: Uint8Array | null;
}

export interface StoredBatch extends BatchHeader {
  seal: StoredSeal | null;
}

interface BatchRow {
  number: number;
  first_sequence: number;
  last_sequence: number;
  written_at: number;
  hash: Uint8Array | null;
  checks: Uint8Array | null;
  sealed_at: number | null;
}

/** Batches behind `after`, in order, with their seals where there are any. */
export async function readBatches(reader: Reader, after: number, limit: number): Promise<StoredBatch[]> {
  const { rows } = await sql<BatchRow>`SELECT b.number, b.first_sequence, b.last_sequence, b.written_at, s.hash,
      s.checks, s.sealed_at
    FROM ledger_batches b LEFT JOIN ledger_seals s ON s.batch = b.number
    WHERE b.number > ${after} ORDER BY b.number LIMIT ${limit}`.execute(reader);
  return rows.map((row) => ({
    number: row.number,
    first: row.first_sequence,
    last: row.last_sequence,
    writtenAt: row.written_at,
    seal:
      row.hash === null || row.checks === null || row.sealed_at === null
        ? null
        : { hash: row.hash, checks: row.checks, sealedAt: row.sealed_at },
  }));
}

interface RecordRow {
  sequence: number;
  id: Uint8Array;
  body?: Uint8Array;
  pending_id?: Uint8Array | null;
  expires_at?: Uint8Array | null;
}

const TABLES_OF_KINDS: readonly (readonly [RecordKind, string, string])[] = [
  ['account', 'ledger_accounts', 'sequence, id, body'],
  ['transfer', 'ledger_transfers', 'sequence, id, body, pending_id, expires_at'],
  ['expiry', 'ledger_expiries', 'sequence, id, body'],
  ['failure', 'ledger_failures', 'sequence, id'],
];

const NO_BODY = new Uint8Array(0);

/** All records from one sequence to another, in order. */
export async function readRecords(reader: Reader, first: number, last: number): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for (const [kind, table, columns] of TABLES_OF_KINDS) {
    const { rows } = await sql<RecordRow>`SELECT ${sql.raw(columns)} FROM ${sql.raw(table)}
      WHERE sequence >= ${first} AND sequence <= ${last}`.execute(reader);
    for (const { sequence, id, body = NO_BODY, pending_id = null, expires_at = null } of rows) {
      records.push({ kind, sequence, id, body, pendingId: pending_id, expiresAt: expires_at });
    }
  }
  return records.sort((left, right) => left.sequence - right.sequence);
}
