/**
 * The chain that seals the ledger's rows: one link a batch.
 *
 *     header    kind 0 (1) | number 8 | first sequence 8 | last sequence 8 | written at 8 | sealed at 8
 *     hash      SHA-256 of "fog-ledger-1" | the hash before, 32 zeros before the first | header | the batch's records
 *     checks    CRC-32 of the header, and of each record, 4 bytes each, big endian
 *
 * The hash tells that something was changed, the checks tell what. Times of the header are milliseconds.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { type LedgerRecord, recordLength, writeRecord } from './records.ts';

export interface BatchHeader {
  number: number;
  first: number;
  last: number;
  writtenAt: number;
}

export interface Seal {
  hash: Buffer;
  checks: Buffer;
}

const DOMAIN = Buffer.from('fog-ledger-1');
export const NO_HASH = Buffer.alloc(32);
export const HEADER_FIELDS = ['number', 'first', 'last', 'writtenAt', 'sealedAt'] as const;

export function headerBytes({ number, first, last, writtenAt }: BatchHeader, sealedAt: number): Buffer {
  const bytes = Buffer.alloc(1 + 8 * HEADER_FIELDS.length);
  [number, first, last, writtenAt, sealedAt].forEach((value, index) => {
    bytes.writeBigUInt64BE(BigInt(value), 1 + 8 * index);
  });
  return bytes;
}

export function sealOf(
  previous: Uint8Array,
  batch: BatchHeader,
  { records, sealedAt }: { records: readonly LedgerRecord[]; sealedAt: number },
): Seal {
  const header = headerBytes(batch, sealedAt);
  // In one piece: a call for each record takes longer than the hashing.
  const all = new Uint8Array(records.reduce((bytes, record) => bytes + recordLength(record), header.length));
  all.set(header);
  const checks = Buffer.allocUnsafe(4 * (records.length + 1));
  checks.writeUInt32BE(crc32(header), 0);
  let end = header.length;
  records.forEach((record, index) => {
    const start = end;
    end = writeRecord(all, start, record);
    checks.writeUInt32BE(crc32(all.subarray(start, end)), 4 * (index + 1));
  });
  return { hash: hashOfParts(previous, [all]), checks };
}

/** Header and records as bytes. */
export function sealOfParts(previous: Uint8Array, parts: readonly Uint8Array[]): Seal {
  return { hash: hashOfParts(previous, parts), checks: checksOf(parts) };
}

export function hashOfParts(previous: Uint8Array, parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256').update(DOMAIN).update(previous);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function checksOf(parts: readonly Uint8Array[]): Buffer {
  const checks = Buffer.allocUnsafe(4 * parts.length);
  parts.forEach((part, index) => {
    checks.writeUInt32BE(crc32(part), 4 * index);
  });
  return checks;
}
