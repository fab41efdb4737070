/**
 * Files of a log and the blocks at the beginning of a segment.
 *
 *     00000000000000000001.log        a segment: records from number 1 on
 *     00000000000000008192.snapshot   the state after record 8192
 *     spare.log                       the next segment, reserved and not yet begun
 *     *.new                           a snapshot that is being written
 *
 * A segment is a header block, a mark block, and groups of records, each at the beginning of a block. What follows the
 * last one is zeros. The mark says up to which record all was durable when the log had nothing to do; it is written
 * without a sync and may be older, torn or lost.
 */
import { crc32 } from 'node:zlib';
import { LOG_LIMITS } from './limits.ts';
import { HASH_BYTES } from './record.ts';

export const SPARE_NAME = 'spare.log';
export const UNFINISHED_SUFFIX = '.new';
/** Where the records of a segment begin. */
export const SEGMENT_DATA_AT = 2 * LOG_LIMITS.blockBytes;
export const MARK_AT = LOG_LIMITS.blockBytes;

const HEADER_MAGIC = Buffer.from('FOGLOG1\n', 'latin1');
const MARK_MAGIC = Buffer.from('FOGMARK\n', 'latin1');
const SEQUENCE_AT = HEADER_MAGIC.length;
const HASH_AT = SEQUENCE_AT + 8;
const CHECK_AT = HASH_AT + HASH_BYTES;
const BLOCK_USED_BYTES = CHECK_AT + 4;
const SEQUENCE_DIGITS = 20;
const NAME = /^(\d{20})\.(log|snapshot)$/;

export type LogFileKind = 'log' | 'snapshot';

export function logFileName(sequence: bigint, kind: LogFileKind): string {
  return `${String(sequence).padStart(SEQUENCE_DIGITS, '0')}.${kind}`;
}

/** Numbers of the files of a kind, in ascending order. Other files are not ours. */
export function sequencesOf(names: readonly string[], kind: LogFileKind): bigint[] {
  const numbers = names.flatMap((name) => {
    const [, digits = '', found] = NAME.exec(name) ?? [];
    return found === kind ? [BigInt(digits)] : [];
  });
  return numbers.sort((left, right) => (left < right ? -1 : left > right ? 1 : 0));
}

export interface SegmentHeader {
  /** Number of the first record. */
  first: bigint;
  /** SHA-256 of the record before it. */
  previousHash: Uint8Array;
}

export function encodeSegmentHeader({ first, previousHash }: SegmentHeader): Uint8Array {
  return encodeBlock(HEADER_MAGIC, first, previousHash);
}

/** null for a block that is no header. */
export function parseSegmentHeader(block: Uint8Array): SegmentHeader | null {
  const parsed = parseBlock(HEADER_MAGIC, block);
  return parsed === null ? null : { first: parsed.sequence, previousHash: parsed.hash };
}

/** Everything up to this record, whose SHA-256 is `hash`, is durable. */
export interface DurableMark {
  sequence: bigint;
  hash: Uint8Array;
}

export function encodeMark({ sequence, hash }: DurableMark): Uint8Array {
  return encodeBlock(MARK_MAGIC, sequence, hash);
}

export function parseMark(block: Uint8Array): DurableMark | null {
  return parseBlock(MARK_MAGIC, block);
}

function encodeBlock(magic: Uint8Array, sequence: bigint, hash: Uint8Array): Uint8Array {
  const block = new Uint8Array(LOG_LIMITS.blockBytes);
  const view = new DataView(block.buffer);
  block.set(magic);
  view.setBigUint64(SEQUENCE_AT, sequence, true);
  block.set(hash, HASH_AT);
  view.setUint32(CHECK_AT, crc32(block.subarray(0, CHECK_AT)), true);
  return block;
}

function parseBlock(magic: Uint8Array, block: Uint8Array): DurableMark | null {
  if (block.length < BLOCK_USED_BYTES || Buffer.compare(block.subarray(0, magic.length), magic) !== 0) return null;
  const view = new DataView(block.buffer, block.byteOffset);
  if (crc32(block.subarray(0, CHECK_AT)) !== view.getUint32(CHECK_AT, true)) return null;
  return { sequence: view.getBigUint64(SEQUENCE_AT, true), hash: block.slice(HASH_AT, CHECK_AT) };
}
