/**
 * The canonical bytes of the ledger's rows: what is stored, and what is hashed. Everything is unsigned and big endian.
 *
 *     record    kind 1 | sequence 8 | id 16 | body
 *     account   (kind 1)  body 44: user data 16, 8, 4 | ledger 4 | code 2 | flags 2 | timestamp 8
 *     transfer  (kind 2)  body 112: debit account 16 | credit account 16 | amount 16 | pending id 16
 *                         | user data 16, 8, 4 | timeout 4 | ledger 4 | code 2 | flags 2 | timestamp 8
 *     expiry    (kind 3)  body 8: timestamp; the id is that of the pending transfer
 *     failure   (kind 4)  no body; the id is spent
 *
 * `id` and `body` are columns of their own; kind and sequence follow from table and key. Counters of an account are 64
 * bytes (debits pending, debits posted, credits pending, credits posted) and one that is 1 while it is closed.
 */
import type { Account, Transfer } from '@fog/economy/ledger';

export const RECORD_KINDS = { account: 1, transfer: 2, expiry: 3, failure: 4 } as const;
export type RecordKind = keyof typeof RECORD_KINDS;

export interface LedgerRecord {
  kind: RecordKind;
  sequence: number;
  id: Uint8Array;
  body: Uint8Array;
}

export interface Field {
  name: string;
  bytes: number;
}

const fields = (text: string): readonly Field[] =>
  text.split(', ').map((field) => {
    const [name, bytes] = field.split(' ') as [string, string];
    return { name, bytes: Number(bytes) };
  });

/** The fields of a record behind its kind, in order. */
export const RECORD_FIELDS: Readonly<Record<RecordKind, readonly Field[]>> = {
  account: fields(
    'sequence 8, id 16, userData128 16, userData64 8, userData32 4, ledger 4, code 2, flags 2, timestamp 8',
  ),
  transfer: fields(
    'sequence 8, id 16, debitAccount 16, creditAccount 16, amount 16, pendingId 16, userData128 16, userData64 8, userData32 4, timeoutSeconds 4, ledger 4, code 2, flags 2, timestamp 8',
  ),
  expiry: fields('sequence 8, id 16, timestamp 8'),
  failure: fields('sequence 8, id 16'),
};

const RECORD_HEAD_BYTES = 25;
/** Bytes of the body of each kind. */
export const BODY_BYTES: Readonly<Record<RecordKind, number>> = { account: 44, transfer: 112, expiry: 8, failure: 0 };
export const BALANCE_BYTES = 65;
export const ID_BYTES = 16;

/** Of an account: what transfers change. */
export type Counters = Pick<Account, 'debitsPending' | 'debitsPosted' | 'creditsPending' | 'creditsPosted'>;

/** How long a record is as it is hashed. */
export function recordLength({ body }: Pick<LedgerRecord, 'body'>): number {
  return RECORD_HEAD_BYTES + body.length;
}

/** Writes a record as it is hashed; `into` has room for it at `offset`. Answers where it ends. */
export function writeRecord(into: Uint8Array, offset: number, { kind, sequence, id, body }: LedgerRecord): number {
  into[offset] = RECORD_KINDS[kind];
  writeNumber(into, offset + 1, sequence);
  into.set(id, offset + 9);
  into.set(body, offset + RECORD_HEAD_BYTES);
  return offset + RECORD_HEAD_BYTES + body.length;
}

export function recordBytes(record: LedgerRecord): Uint8Array {
  const bytes = new Uint8Array(recordLength(record));
  writeRecord(bytes, 0, record);
  return bytes;
}

/** 8 bytes of a whole number, without a bigint on the way. */
function writeNumber(into: Uint8Array, offset: number, value: number): void {
  const high = Math.floor(value / 2 ** 32);
  for (let byte = 0; byte < 4; byte += 1) {
    into[offset + byte] = high >>> (24 - 8 * byte);
    into[offset + 4 + byte] = value >>> (24 - 8 * byte);
  }
}

const LOW_64 = (1n << 64n) - 1n;

function write128(view: DataView, value: bigint, offset: number): void {
  // Most amounts are small, and need no wider number on the way.
  view.setBigUint64(offset, value > LOW_64 ? value >> 64n : 0n);
  view.setBigUint64(offset + 8, value > LOW_64 ? value & LOW_64 : value);
}

function read128(view: DataView, offset: number): bigint {
  const high = view.getBigUint64(offset);
  const low = view.getBigUint64(offset + 8);
  return high === 0n ? low : (high << 64n) | low;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** 16 bytes of an id from 0 to 2^128 - 1. */
export function idBytes(id: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(16);
  write128(viewOf(bytes), id, 0);
  return bytes;
}

/** The same for many, in one piece of memory. */
export function manyIdBytes(ids: Iterable<bigint> & { size: number }): Buffer[] {
  const all = Buffer.allocUnsafe(ID_BYTES * ids.size);
  const view = viewOf(all);
  return Array.from(ids, (id, index) => {
    write128(view, id, ID_BYTES * index);
    return all.subarray(ID_BYTES * index, ID_BYTES * (index + 1));
  });
}

export function readId(bytes: Uint8Array): bigint {
  return read128(viewOf(bytes), 0);
}

/** 8 bytes of nanoseconds. */
export function timeBytes(timestamp: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(timestamp);
  return bytes;
}

export function readTime(bytes: Uint8Array): bigint {
  return viewOf(bytes).getBigUint64(0);
}

export function accountBody(account: Account): Buffer {
  const bytes = Buffer.allocUnsafe(BODY_BYTES.account);
  const view = viewOf(bytes);
  write128(view, account.userData128, 0);
  view.setBigUint64(16, account.userData64);
  view.setUint32(24, account.userData32);
  view.setUint32(28, account.ledger);
  view.setUint16(32, account.code);
  view.setUint16(34, account.flags);
  view.setBigUint64(36, account.timestamp);
  return bytes;
}

/** An account as it was opened, without what has happened since. */
export function readAccount(id: bigint, body: Uint8Array): Account {
  const view = viewOf(body);
  return {
    id,
    debitsPending: 0n,
    debitsPosted: 0n,
    creditsPending: 0n,
    creditsPosted: 0n,
    userData128: read128(view, 0),
    userData64: view.getBigUint64(16),
    userData32: view.getUint32(24),
    ledger: view.getUint32(28),
    code: view.getUint16(32),
    flags: view.getUint16(34),
    timestamp: view.getBigUint64(36),
  };
}

export function transferBody(transfer: Transfer): Buffer {
  const bytes = Buffer.allocUnsafe(BODY_BYTES.transfer);
  const view = viewOf(bytes);
  write128(view, transfer.debitAccount, 0);
  write128(view, transfer.creditAccount, 16);
  write128(view, transfer.amount, 32);
  write128(view, transfer.pendingId, 48);
  write128(view, transfer.userData128, 64);
  view.setBigUint64(80, transfer.userData64);
  view.setUint32(88, transfer.userData32);
  view.setUint32(92, transfer.timeoutSeconds);
  view.setUint32(96, transfer.ledger);
  view.setUint16(100, transfer.code);
  view.setUint16(102, transfer.flags);
  view.setBigUint64(104, transfer.timestamp);
  return bytes;
}

/** Places of the 128-bit fields of a transfer in the state machine's words, the id first; the lowest word comes first. */
const WIDE_FIELDS = [0, 4, 8, 12, 16, 20] as const;

/**
 * Id and body of a transfer out of the words of the state machine: the same fields in the same order, each of them turned
 * round. `bytes` takes ID_BYTES + BODY_BYTES.transfer at `offset`.
 */
export function writeTransfer(view: DataView, offset: number, words: Uint32Array, at: number): void {
  let to = offset;
  for (const field of WIDE_FIELDS) {
    for (let word = 3; word >= 0; word -= 1) {
      view.setUint32(to, words[at + field + word] as number);
      to += 4;
    }
  }
  view.setUint32(to, words[at + 25] as number);
  view.setUint32(to + 4, words[at + 24] as number);
  // userData32, timeoutSeconds and ledger.
  for (let word = 26; word < 29; word += 1) view.setUint32(to + 8 + 4 * (word - 26), words[at + word] as number);
  const codeFlags = words[at + 29] as number;
  view.setUint16(to + 20, codeFlags & 0xffff);
  view.setUint16(to + 22, codeFlags >>> 16);
  view.setUint32(to + 24, words[at + 31] as number);
  view.setUint32(to + 28, words[at + 30] as number);
}

export function readTransfer(id: bigint, body: Uint8Array): Transfer {
  const view = viewOf(body);
  return {
    id,
    debitAccount: read128(view, 0),
    creditAccount: read128(view, 16),
    amount: read128(view, 32),
    pendingId: read128(view, 48),
    userData128: read128(view, 64),
    userData64: view.getBigUint64(80),
    userData32: view.getUint32(88),
    timeoutSeconds: view.getUint32(92),
    ledger: view.getUint32(96),
    code: view.getUint16(100),
    flags: view.getUint16(102),
    timestamp: view.getBigUint64(104),
  };
}

export function balanceBody(counters: Counters, isClosed: boolean): Buffer {
  const bytes = Buffer.allocUnsafe(BALANCE_BYTES);
  const view = viewOf(bytes);
  write128(view, counters.debitsPending, 0);
  write128(view, counters.debitsPosted, 16);
  write128(view, counters.creditsPending, 32);
  write128(view, counters.creditsPosted, 48);
  bytes[64] = isClosed ? 1 : 0;
  return bytes;
}

export function readBalance(body: Uint8Array): Counters & { isClosed: boolean } {
  const view = viewOf(body);
  return {
    debitsPending: read128(view, 0),
    debitsPosted: read128(view, 16),
    creditsPending: read128(view, 32),
    creditsPosted: read128(view, 48),
    isClosed: body[64] === 1,
  };
}

/** How far before the last row of a batch each of these lies, 2 bytes each. */
export function entryBytes(last: number, sequences: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(2 * sequences.length);
  sequences.forEach((sequence, index) => {
    bytes.writeUInt16BE(last - sequence, 2 * index);
  });
  return bytes;
}

export function readEntries(last: number, bytes: Uint8Array): number[] {
  const view = viewOf(bytes);
  return Array.from({ length: bytes.length >> 1 }, (_, index) => last - view.getUint16(2 * index));
}
