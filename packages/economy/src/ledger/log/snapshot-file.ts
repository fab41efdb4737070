/**
 * The state of a machine after a record, as a file. Numbers are little endian.
 *
 *      0  "FOGSNAP1", u64 sequence number of the record, u64 its timestamp, 32 B its SHA-256, u32 CRC-32 of these
 *     60  parts: u32 bytes, u32 index from 0, u32 CRC-32 of both and of what follows, the bytes
 *         the end: a part without bytes, whose index is how many there were
 *
 * The checksums find accidents. What a snapshot says of money is as trustworthy as the folder; the chain is in the log.
 */
import { crc32 } from 'node:zlib';
import { type Damage, damageError } from './faults.ts';
import { LOG_LIMITS } from './limits.ts';
import type { LogPosition } from './log-reader.ts';
import { HASH_BYTES } from './record.ts';
import { logFileName, sequencesOf, UNFINISHED_SUFFIX } from './segment.ts';
import type { LogStorage, ReadableFile } from './storage.ts';

const MAGIC = Buffer.from('FOGSNAP1', 'latin1');
const SEQUENCE_AT = MAGIC.length;
const TIMESTAMP_AT = SEQUENCE_AT + 8;
const HASH_AT = TIMESTAMP_AT + 8;
const CHECK_AT = HASH_AT + HASH_BYTES;
const HEADER_BYTES = CHECK_AT + 4;
const PART_HEADER_BYTES = 12;
const PART_CHECK_AT = 8;

/** Everything that a snapshot file is made of, in pieces; lazily, so the state may not change in between. */
export function* snapshotPieces(position: LogPosition, parts: Iterable<Uint8Array>): Generator<Uint8Array> {
  yield encodeHeader(position);
  const most = LOG_LIMITS.snapshotPartBytes;
  let index = 0;
  let filled = 0;
  let piece = new Uint8Array(PART_HEADER_BYTES + most);
  for (const part of parts) {
    for (let at = 0; at < part.length; ) {
      const taken = Math.min(part.length - at, most - filled);
      piece.set(part.subarray(at, at + taken), PART_HEADER_BYTES + filled);
      at += taken;
      filled += taken;
      if (filled < most) continue;
      yield sealed(piece, index);
      index += 1;
      filled = 0;
      piece = new Uint8Array(PART_HEADER_BYTES + most);
    }
  }
  if (filled > 0) {
    yield sealed(piece.subarray(0, PART_HEADER_BYTES + filled), index);
    index += 1;
  }
  yield sealed(new Uint8Array(PART_HEADER_BYTES), index);
}

/**
 * Writes pieces beside the snapshot's name, syncs, and renames: it is there whole or not at all. Answers its bytes.
 * Throws what the storage throws; what a crash leaves of it is removed at the next start.
 */
export async function writeSnapshot(
  storage: LogStorage,
  sequence: bigint,
  pieces: Iterable<Uint8Array>,
): Promise<number> {
  const name = logFileName(sequence, 'snapshot');
  const file = await storage.create(`${name}${UNFINISHED_SUFFIX}`);
  let bytes = 0;
  try {
    let synced = 0;
    for (const piece of pieces) {
      await file.write(bytes, piece);
      bytes += piece.length;
      if (bytes - synced < LOG_LIMITS.snapshotSyncBytes) continue;
      await file.sync();
      synced = bytes;
    }
    await file.sync();
    await file.close();
  } catch (error) {
    // What was written so far would be in the way of a disk that is full.
    await file.close().catch(() => undefined);
    await storage.remove(file.name).catch(() => undefined);
    throw error;
  }
  await storage.rename(`${name}${UNFINISHED_SUFFIX}`, name);
  await storage.syncFolder();
  return bytes;
}

export interface OpenSnapshot extends Disposable {
  position: LogPosition;
  bytes: number;
  /** Read and checked one after the other, once. Throws `data-directory` where one is damaged. */
  parts: Iterable<Uint8Array>;
}

/** Opens the snapshot of a sequence number. Throws `data-directory` when its header is damaged. */
export function openSnapshot(storage: LogStorage, sequence: bigint): OpenSnapshot {
  const name = logFileName(sequence, 'snapshot');
  const file = storage.openToRead(name);
  try {
    const header = new Uint8Array(HEADER_BYTES);
    const position = file.read(0, header) < HEADER_BYTES ? null : parseHeader(header);
    if (position?.sequence !== sequence || file.bytes > LOG_LIMITS.snapshotBytes) {
      throw damageError('snapshot-header', { file: name, offset: 0, sequence }, 'it has no header of this snapshot');
    }
    return { position, bytes: file.bytes, parts: readParts(file, sequence), [Symbol.dispose]: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}

function* readParts(file: ReadableFile, sequence: bigint): Generator<Uint8Array> {
  const header = new Uint8Array(PART_HEADER_BYTES);
  const view = new DataView(header.buffer);
  let offset = HEADER_BYTES;
  const damaged = (damage: Damage, message: string) =>
    damageError(damage, { file: file.name, offset, sequence }, message);
  for (let index = 0; ; index += 1) {
    if (file.read(offset, header) < PART_HEADER_BYTES) throw damaged('snapshot-end', `it ends before part ${index}`);
    const length = view.getUint32(0, true);
    if (length > LOG_LIMITS.snapshotPartBytes)
      throw damaged('snapshot-part', `the length of part ${index} is impossible`);
    const part = new Uint8Array(length);
    const isWhole = file.read(offset + PART_HEADER_BYTES, part) === length;
    const check = crc32(part, crc32(header.subarray(0, PART_CHECK_AT)));
    if (!isWhole || view.getUint32(4, true) !== index || check !== view.getUint32(PART_CHECK_AT, true)) {
      throw damaged('snapshot-part', `the checksum of part ${index} does not fit`);
    }
    offset += PART_HEADER_BYTES + length;
    if (length === 0) break;
    yield part;
  }
  if (offset !== file.bytes) throw damaged('snapshot-end', 'more follows its last part');
}

function sealed(piece: Uint8Array, index: number): Uint8Array {
  const view = new DataView(piece.buffer, piece.byteOffset, PART_HEADER_BYTES);
  view.setUint32(0, piece.length - PART_HEADER_BYTES, true);
  view.setUint32(4, index, true);
  const check = crc32(piece.subarray(PART_HEADER_BYTES), crc32(piece.subarray(0, PART_CHECK_AT)));
  view.setUint32(PART_CHECK_AT, check, true);
  return piece;
}

function encodeHeader({ sequence, timestamp, hash }: LogPosition): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  header.set(MAGIC);
  view.setBigUint64(SEQUENCE_AT, sequence, true);
  view.setBigUint64(TIMESTAMP_AT, timestamp, true);
  header.set(hash, HASH_AT);
  view.setUint32(CHECK_AT, crc32(header.subarray(0, CHECK_AT)), true);
  return header;
}

function parseHeader(header: Uint8Array): LogPosition | null {
  const view = new DataView(header.buffer, header.byteOffset, HEADER_BYTES);
  if (Buffer.compare(header.subarray(0, MAGIC.length), MAGIC) !== 0) return null;
  if (crc32(header.subarray(0, CHECK_AT)) !== view.getUint32(CHECK_AT, true)) return null;
  return {
    sequence: view.getBigUint64(SEQUENCE_AT, true),
    timestamp: view.getBigUint64(TIMESTAMP_AT, true),
    hash: header.slice(HASH_AT, CHECK_AT),
  };
}

export interface Retention {
  /** How many of the newest are kept, with the log since the oldest of them. At least 1. */
  snapshots: number;
  /** The whole log is kept, so that it can be replayed from its first record. */
  wholeLog?: boolean;
}

export const DEFAULT_RETENTION: Retention = { snapshots: 2 };

/** Removes older snapshots, and the segments that no kept one needs. Throws what the storage throws. */
export async function keepNewest(storage: LogStorage, retention: Retention = DEFAULT_RETENTION): Promise<void> {
  const names = storage.list();
  const snapshots = sequencesOf(names, 'snapshot');
  const kept = snapshots.slice(-Math.max(1, retention.snapshots));
  const gone = snapshots.slice(0, snapshots.length - kept.length).map((sequence) => logFileName(sequence, 'snapshot'));
  const oldest = kept[0] ?? 0n;
  const segments = sequencesOf(names, 'log');
  // The segment that holds the snapshot's own record stays: the chain goes on from it.
  const needed = segments.findLastIndex((first) => first <= oldest);
  const passed = retention.wholeLog === true ? [] : segments.slice(0, Math.max(0, needed));
  for (const name of [...gone, ...passed.map((first) => logFileName(first, 'log'))]) await storage.remove(name);
  if (gone.length + passed.length > 0) await storage.syncFolder();
}
