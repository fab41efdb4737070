/**
 * Whether a batch is as it was sealed, and what of it is not.
 *
 * The checks tell which part differs. If one byte of it was changed, only some 30,000 originals are possible: the one that
 * has the right check, and with which the batch has the right SHA-256, is what stood there, beyond doubt. Anything else
 * is reported as it is, and nothing is guessed.
 */
import { crc32 } from 'node:zlib';
import { type BatchHeader, hashOfParts, headerBytes, NO_HASH, sealOfParts } from './chain.ts';
import type { StoredRecord, StoredSeal } from './journal.ts';
import { hexOf, type LedgerFault, locateByte, TABLE_OF_KIND } from './ledger-faults.ts';
import { recordBytes } from './records.ts';

export interface CheckedBatch {
  faults: LedgerFault[];
  /** As they were sealed, where that is known. */
  records: readonly StoredRecord[];
  /** Some record is not what was sealed, and what that was is not known. */
  isBroken: boolean;
}

interface Part {
  bytes: Uint8Array;
  of: { record: StoredRecord } | { batch: number };
}

const CHECK_BYTES = 4;
/** More parts of one batch that differ are not one byte that flipped: their originals are not looked for. */
const MOST_SEARCHED = 8;

/** Follows the chain, from the first batch on. */
export class ChainCheck {
  /** Hashes that the next seal may follow: two behind a hash that was wrong. null: any, behind a batch that is missing. */
  #previous: readonly Uint8Array[] | null = [NO_HASH];

  /** What comes next follows nothing that is known. */
  lose(): void {
    this.#previous = null;
  }

  check(batch: BatchHeader, seal: StoredSeal, records: readonly StoredRecord[]): CheckedBatch {
    const parts: Part[] = [
      { bytes: headerBytes(batch, seal.sealedAt), of: { batch: batch.number } },
      ...records.map((record) => ({ bytes: recordBytes(record), of: { record } })),
    ];
    const bytes = parts.map((part) => part.bytes);
    const { hash, checks } = sealOfParts(this.#previous?.[0] ?? NO_HASH, bytes);
    const sound = { records, isBroken: false };
    if (this.#isRight(seal.hash, bytes)) {
      this.#previous = [seal.hash];
      return { ...sound, faults: checks.equals(seal.checks) ? [] : [sealFault(batch, 'checks', checks, seal.checks)] };
    }
    const differing = parts.filter((_, index) => !isSameCheck(seal.checks, checks, index));
    if (differing.length === 0 && checks.length === seal.checks.length) {
      this.#previous = [hash, seal.hash];
      return { ...sound, faults: [sealFault(batch, 'hash', hash, seal.hash)] };
    }
    const explained = this.#explain(seal, parts, differing);
    this.#previous = [seal.hash];
    return explained;
  }

  /** Behind a batch that is missing nothing can be compared, and what stands there is believed. */
  #isRight(hash: Uint8Array, parts: readonly Uint8Array[]): boolean {
    return this.#previous?.some((previous) => hashOfParts(previous, parts).equals(hash)) ?? true;
  }

  #explain(seal: StoredSeal, parts: readonly Part[], differing: readonly Part[]): CheckedBatch {
    const originals = new Map<Part, { bytes: Uint8Array; place: number }>();
    if (differing.length <= MOST_SEARCHED) {
      for (const part of differing) {
        const original = originalOf(part.bytes, checkAt(seal.checks, parts.indexOf(part)));
        if (original !== null) originals.set(part, original);
      }
    }
    const mended = parts.map((part) => originals.get(part)?.bytes ?? part.bytes);
    const isProven = originals.size === differing.length && this.#isRight(seal.hash, mended);
    const faults = differing.map((part): LedgerFault => {
      const original = isProven ? originals.get(part) : undefined;
      if (original === undefined) return changedPart(part);
      return locateByte(part.of, original.place, { original: original.bytes, found: part.bytes });
    });
    const records = parts.flatMap((part) => {
      if (!('record' in part.of)) return [];
      const original = isProven ? originals.get(part) : undefined;
      return [original === undefined ? part.of.record : { ...part.of.record, ...contentOf(original.bytes) }];
    });
    return { faults, records, isBroken: !isProven && differing.some(({ of }) => 'record' in of) };
  }
}

/** The bytes that had this check before one of them was changed; null when no single change explains it. */
function originalOf(found: Uint8Array, check: number): { bytes: Uint8Array; place: number } | null {
  const bytes = Uint8Array.from(found);
  for (let place = 0; place < bytes.length; place += 1) {
    const was = bytes[place] as number;
    for (let value = 0; value < 256; value += 1) {
      bytes[place] = value;
      if (value !== was && crc32(bytes) === check) return { bytes, place };
    }
    bytes[place] = was;
  }
  return null;
}

/** Id and body of a record's bytes, behind kind and sequence. */
function contentOf(bytes: Uint8Array): Pick<StoredRecord, 'id' | 'body'> {
  return { id: bytes.subarray(9, 25), body: bytes.subarray(25) };
}

function checkAt(checks: Uint8Array, index: number): number {
  return Buffer.from(checks).readUInt32BE(CHECK_BYTES * index);
}

function isSameCheck(stored: Uint8Array, made: Uint8Array, index: number): boolean {
  const [start, end] = [CHECK_BYTES * index, CHECK_BYTES * (index + 1)];
  // Of a part too many nothing can be said.
  return end > stored.length || Buffer.compare(stored.subarray(start, end), made.subarray(start, end)) === 0;
}

function sealFault(batch: BatchHeader, field: 'hash' | 'checks', expected: Uint8Array, found: Uint8Array): LedgerFault {
  return {
    table: 'ledger_seals',
    row: `batch ${batch.number}`,
    field,
    expected: hexOf(expected),
    found: hexOf(found),
    message: field === 'hash' ? 'it does not follow from the seal before and the rows' : 'the rows have other checks',
  };
}

function changedPart({ of }: Part): LedgerFault {
  const nothing = { field: null, expected: null, found: null };
  const message = 'it is not what was sealed; nothing tells what that was';
  return 'record' in of
    ? { table: TABLE_OF_KIND[of.record.kind], row: `sequence ${of.record.sequence}`, ...nothing, message }
    : { table: 'ledger_batches, ledger_seals', row: `batch ${of.batch}`, ...nothing, message };
}
