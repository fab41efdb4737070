/** The ledger's rows as they lie in the database, batch by batch. */
import { PostgresAdapter, sql } from 'kysely';
import type { Reader } from '../store/database.ts';
import type { BatchHeader } from './chain.ts';
import { BODY_BYTES, ID_BYTES, type LedgerRecord, type RecordKind } from './records.ts';

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

const TABLES_OF_KINDS: readonly (readonly [kind: RecordKind, table: string, columns: string, searched: string])[] = [
  ['account', 'ledger_accounts', 'sequence, id, body', ''],
  ['transfer', 'ledger_transfers', 'sequence, id, body', ', pending_id, expires_at'],
  ['expiry', 'ledger_expiries', 'sequence, id, body', ''],
  ['failure', 'ledger_failures', 'sequence, id', ''],
];

const NO_BODY = new Uint8Array(0);

/** All records from one sequence to another, in order. */
export async function readRecords(reader: Reader, first: number, last: number): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for (const [kind, table, columns, searched] of TABLES_OF_KINDS) {
    const rows = await readRows(reader, { table, columns: columns + searched, first, last });
    for (const { sequence, id, body = NO_BODY, pending_id = null, expires_at = null } of rows) {
      records.push({ kind, sequence, id, body, pendingId: pending_id, expiresAt: expires_at });
    }
  }
  return records.sort((left, right) => left.sequence - right.sequence);
}

/** What is hashed of batches that follow one another: their records without what repeats in columns, in order. */
export async function readHashed(reader: Reader, batches: readonly BatchHeader[]): Promise<LedgerRecord[]> {
  const [first = 0, last = 0] = [batches[0]?.first, batches.at(-1)?.last];
  const records = await transfersInPieces(reader, batches);
  for (const [kind, table, columns] of TABLES_OF_KINDS) {
    if (kind === 'transfer' && records.length > 0) continue;
    const rows = await readRows(reader, { table, columns, first, last });
    for (const { sequence, id, body = NO_BODY } of rows) records.push({ kind, sequence, id, body });
  }
  return records.sort((left, right) => left.sequence - right.sequence);
}

const TRANSFER_BYTES = ID_BYTES + BODY_BYTES.transfer;

/**
 * The transfers of each batch, which are numbered one after the other, in one piece: a row for each would take several
 * times as long. None where a batch has others than that: then they are read row by row.
 */
async function transfersInPieces(reader: Reader, batches: readonly BatchHeader[]): Promise<LedgerRecord[]> {
  const isPostgres = reader.getExecutor().adapter instanceof PostgresAdapter;
  const digits = sql.raw(isPostgres ? "encode(t.id || t.body, 'hex')" : 'hex(t.id) || hex(t.body)');
  const { rows } = await sql<{ transfers: string | null }>`SELECT
      (SELECT MIN(t.sequence) || ' ' || MAX(t.sequence) || ' ' || string_agg(${digits}, '' ORDER BY t.sequence)
        FROM ledger_transfers t WHERE t.sequence >= b.first_sequence AND t.sequence <= b.last_sequence) AS transfers
    FROM ledger_batches b WHERE b.number >= ${batches[0]?.number ?? 0} AND b.number <= ${batches.at(-1)?.number ?? 0}
    ORDER BY b.number`.execute(reader);
  const records: LedgerRecord[] = [];
  for (const { transfers } of rows) {
    if (transfers === null) continue;
    const [first = '', last = '', text = ''] = transfers.split(' ');
    const bytes = Buffer.from(text, 'hex');
    const count = Number(last) - Number(first) + 1;
    if (bytes.length !== count * TRANSFER_BYTES || text.length !== 2 * bytes.length) return [];
    for (let place = 0; place < count; place += 1) {
      const at = bytes.byteOffset + place * TRANSFER_BYTES;
      const id = new Uint8Array(bytes.buffer, at, ID_BYTES);
      const body = new Uint8Array(bytes.buffer, at + ID_BYTES, BODY_BYTES.transfer);
      records.push({ kind: 'transfer', sequence: Number(first) + place, id, body });
    }
  }
  return records;
}

async function readRows(
  reader: Reader,
  { table, columns, first, last }: { table: string; columns: string; first: number; last: number },
): Promise<RecordRow[]> {
  const { rows } = await sql<RecordRow>`SELECT ${sql.raw(columns)} FROM ${sql.raw(table)}
    WHERE sequence >= ${first} AND sequence <= ${last} ORDER BY sequence`.execute(reader);
  return rows;
}
