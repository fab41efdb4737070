/**
 * Reads the segments of a log in order, checks every record, and tells a torn tail from damage.
 *
 * One write is under way at a time, and a group is written only when the one before it is durable. So what cannot be
 * read is a torn write, never acknowledged, if it stands in the last group of the last segment; if anything of a later
 * group is there, or the mark or a snapshot says that the record was durable, it is damage. Of the last group of all,
 * without a mark, nobody can say whether a flipped bit or a crash has spoilt it: it counts as torn.
 */
import { type Damage, damageError } from './faults.ts';
import { LOG_LIMITS } from './limits.ts';
import { isZero, type LogRecord, NO_HASH, readRecord, sameBytes } from './record.ts';
import {
  logFileName,
  MARK_AT,
  parseMark,
  parseSegmentHeader,
  SEGMENT_DATA_AT,
  type SegmentHeader,
  sequencesOf,
} from './segment.ts';
import type { LogStorage } from './storage.ts';

/** A point between two records. */
export interface LogPosition {
  /** Of the last record before it; 0 at the beginning. */
  sequence: bigint;
  hash: Uint8Array;
  timestamp: bigint;
}

export const LOG_BEGINNING: LogPosition = { sequence: 0n, hash: NO_HASH, timestamp: 0n };

export interface ReadLogOptions {
  /** Records up to here are checked where they are still there, but not given out. */
  after: LogPosition;
  /** The last record to read. */
  until?: bigint;
  /** Known to have been durable: damage up to there is never a torn write. */
  durable: bigint;
}

export interface TornTail {
  file: string;
  /** From here on the file is to be cut. */
  offset: number;
  /** Up to the last byte that is not zero. */
  bytes: number;
}

export interface LogEnd extends LogPosition {
  torn: TornTail | null;
  /** A last segment without a record. */
  unborn: string | null;
  records: number;
}

/**
 * Calls `visit` for each record after `after`, whose bytes may be used only until it returns. Throws `data-directory`
 * with file, offset and sequence for damage; what `visit` throws becomes damage, too.
 */
export function readLog(storage: LogStorage, options: ReadLogOptions, visit: (record: LogRecord) => void): LogEnd {
  const segments = segmentsFrom(storage, options.after.sequence);
  const reader = new LogReader(storage, options, visit);
  for (const [index, first] of segments.entries()) {
    if (reader.isDone) break;
    reader.readSegment(first, segments[index + 1] ?? null);
  }
  return reader.end();
}

/** First numbers of the segments that are needed to go on after a record. */
function segmentsFrom(storage: LogStorage, after: bigint): bigint[] {
  const all = sequencesOf(storage.list(), 'log');
  if (all.length > LOG_LIMITS.segments) {
    const place = { file: storage.place, offset: 0, sequence: after };
    throw damageError('folder', place, `it has ${all.length} segments, more than ${LOG_LIMITS.segments}`);
  }
  const start = all.findLastIndex((first) => first <= after + 1n);
  if (start === -1 && (all.length > 0 || after > 0n)) {
    const place = { file: logFileName(after + 1n, 'log'), offset: 0, sequence: after + 1n };
    throw damageError('segment-missing', place, 'the segment with this record is not there');
  }
  return start === -1 ? [] : all.slice(start);
}

class LogReader {
  readonly #storage: LogStorage;
  readonly #options: ReadLogOptions;
  readonly #visit: (record: LogRecord) => void;
  #buffer = new Uint8Array(0);
  #sequence: bigint;
  #hash: Uint8Array;
  #timestamp: bigint;
  #durable: bigint;
  #group = 0n;
  #isFirst = true;
  #torn: TornTail | null = null;
  #unborn: string | null = null;
  #records = 0;

  constructor(storage: LogStorage, options: ReadLogOptions, visit: (record: LogRecord) => void) {
    this.#storage = storage;
    this.#options = options;
    this.#visit = visit;
    this.#sequence = options.after.sequence;
    this.#hash = options.after.hash;
    this.#timestamp = options.after.timestamp;
    this.#durable = options.durable;
  }

  get isDone(): boolean {
    return this.#options.until !== undefined && this.#sequence >= this.#options.until;
  }

  end(): LogEnd {
    const wanted = this.#options.until ?? this.#durable;
    if (this.#sequence < wanted) {
      const place = { file: this.#storage.place, offset: 0, sequence: this.#sequence + 1n };
      throw damageError('record-missing', place, `the log ends before record ${wanted}, which was durable`);
    }
    return {
      sequence: this.#sequence,
      hash: this.#hash,
      timestamp: this.#timestamp,
      torn: this.#torn,
      unborn: this.#unborn,
      records: this.#records,
    };
  }

  readSegment(first: bigint, next: bigint | null): void {
    const file = logFileName(first, 'log');
    const bytes = this.#load(file, first);
    const header = parseSegmentHeader(bytes.subarray(0, LOG_LIMITS.blockBytes));
    if (header === null) {
      // The header is written together with the first group.
      const isBegun = next !== null || first <= this.#durable || this.#hasGroupAfter(bytes, SEGMENT_DATA_AT, first);
      if (isBegun) throw damageError('segment-header', { file, offset: 0, sequence: first }, 'it has no header');
      this.#leave(file, bytes, 0);
      this.#unborn = file;
      return;
    }
    this.#enter(file, first, header);
    const mark = parseMark(bytes.subarray(MARK_AT, SEGMENT_DATA_AT));
    if (mark !== null && mark.sequence > this.#durable) this.#durable = mark.sequence;
    const offset = this.#readRecords(file, bytes, next);
    if (this.isDone || next !== null) return;
    this.#leave(file, bytes, offset);
    if (this.#sequence < first) this.#unborn = file;
  }

  #leave(file: string, bytes: Uint8Array, offset: number): void {
    const last = lastUsed(bytes);
    if (last >= offset) this.#torn = { file, offset, bytes: last + 1 - offset };
  }

  #load(file: string, first: bigint): Uint8Array {
    const reading = this.#storage.openToRead(file);
    try {
      if (reading.bytes > LOG_LIMITS.segmentBytes) {
        const place = { file, offset: LOG_LIMITS.segmentBytes, sequence: first };
        throw damageError('segment-header', place, 'it is longer than a segment can be');
      }
      if (this.#buffer.length < reading.bytes) this.#buffer = new Uint8Array(reading.bytes);
      const bytes = this.#buffer.subarray(0, reading.bytes);
      return bytes.subarray(0, reading.read(0, bytes));
    } finally {
      reading.close();
    }
  }

  /** Checks that a segment continues what was read, or that it holds the record to go on after. */
  #enter(file: string, first: bigint, { first: named, previousHash }: SegmentHeader): void {
    const place = { file, offset: 0, sequence: first };
    if (named !== first) throw damageError('segment-header', place, `its header names record ${named}`);
    const { after } = this.#options;
    const continues = this.#isFirst ? first === after.sequence + 1n : true;
    if (!this.#isFirst && first !== this.#sequence + 1n) {
      const gap = { file, offset: 0, sequence: this.#sequence + 1n };
      throw damageError('record-missing', gap, `records ${this.#sequence + 1n} to ${first - 1n} are not there`);
    }
    const isRoot = first === 1n && !sameBytes(previousHash, NO_HASH);
    if (isRoot || (continues && !sameBytes(previousHash, this.#hash))) {
      throw damageError(
        this.#isFirst ? 'snapshot-chain' : 'record-chain',
        place,
        'it does not continue what is before',
      );
    }
    if (!continues) {
      this.#sequence = first - 1n;
      this.#hash = previousHash;
      this.#timestamp = 0n;
    }
    this.#isFirst = false;
  }

  /** Answers where the records end. */
  #readRecords(file: string, bytes: Uint8Array, next: bigint | null): number {
    let offset = SEGMENT_DATA_AT;
    let end = offset;
    while (!this.isDone && offset < bytes.length) {
      const reading = readRecord(bytes, offset);
      if (reading === 'empty' && offset % LOG_LIMITS.blockBytes !== 0) {
        offset = Math.ceil(offset / LOG_LIMITS.blockBytes) * LOG_LIMITS.blockBytes;
        continue;
      }
      const damage = typeof reading === 'string' ? reading : this.#faultOf(reading);
      if (damage !== null) {
        this.#assertTorn(file, bytes, offset, damage, next);
        break;
      }
      const record = reading as LogRecord;
      this.#take(record, file, offset);
      offset += record.bytes;
      end = offset;
    }
    return end;
  }

  #faultOf(record: LogRecord): Damage | null {
    const expected = this.#sequence + 1n;
    if (record.sequence !== expected) return 'record-sequence';
    if (record.group !== expected && record.group !== this.#group) return 'record-sequence';
    if (!sameBytes(record.previousHash, this.#hash)) return 'record-chain';
    return record.timestamp > this.#timestamp ? null : 'record-chain';
  }

  #take(record: LogRecord, file: string, offset: number): void {
    const { after } = this.#options;
    this.#sequence = record.sequence;
    this.#hash = record.hash;
    this.#timestamp = record.timestamp;
    this.#group = record.group;
    // All before this group was durable.
    if (record.group - 1n > this.#durable) this.#durable = record.group - 1n;
    const place = { file, offset, sequence: record.sequence };
    if (record.sequence === after.sequence && !sameBytes(record.hash, after.hash)) {
      throw damageError('snapshot-chain', place, 'it is not the record that the snapshot was made after');
    }
    if (record.sequence <= after.sequence) return;
    this.#records += 1;
    try {
      this.#visit(record);
    } catch (error) {
      throw damageError('record-refused', place, `it cannot be applied: ${(error as Error).message}`, error);
    }
  }

  /** Throws for what cannot be a torn write, or the end of what was written. */
  #assertTorn(file: string, bytes: Uint8Array, offset: number, damage: Damage | 'empty', next: bigint | null): void {
    const expected = this.#sequence + 1n;
    // Between two segments there is nothing, or the next one tells what is missing.
    if (damage === 'empty' && next !== null) return;
    const isDurable = next !== null || expected <= this.#durable || damage === 'record-chain';
    if (!isDurable && !this.#hasGroupAfter(bytes, offset, expected)) return;
    const found = damage === 'empty' ? 'record-missing' : damage;
    throw damageError(found, { file, offset, sequence: expected }, DAMAGE_TEXTS[damage] ?? 'it cannot be read');
  }

  /** Whether a record of a group that begins after a sequence number stands at the beginning of a later block. */
  #hasGroupAfter(bytes: Uint8Array, from: number, sequence: bigint): boolean {
    const first = Math.ceil(from / LOG_LIMITS.blockBytes) * LOG_LIMITS.blockBytes;
    for (let offset = first; offset < bytes.length; offset += LOG_LIMITS.blockBytes) {
      const reading = readRecord(bytes, offset, false);
      if (typeof reading !== 'string' && reading.group > sequence) return true;
    }
    return false;
  }
}

const DAMAGE_TEXTS: Partial<Record<Damage | 'empty', string>> = {
  empty: 'it is not there, but later ones are',
  'record-length': 'its length is impossible',
  'record-checksum': 'its checksum does not fit',
  'record-sequence': 'another one is in its place',
  'record-chain': 'it does not continue the one before',
};

/** Of the last byte that is not zero; -1 when all are. */
function lastUsed(bytes: Uint8Array): number {
  const block = LOG_LIMITS.blockBytes;
  for (let end = bytes.length; end > 0; end -= block) {
    const start = Math.max(0, end - block);
    if (isZero(bytes, start, end)) continue;
    for (let at = end - 1; at >= start; at -= 1) if (bytes[at] !== 0) return at;
  }
  return -1;
}
