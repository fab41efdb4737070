/**
 * The replay tags of one key as a file that only grows, so that a node that was killed can go on with the key. A tag is
 * written before its packet is forwarded. No I/O here: bytes in, bytes out.
 *
 *     0..7     "fogtags1"
 *     8..39    id of the key (32 bytes)
 *     40..55   id of the boot of the machine (16 bytes)
 *     56..63   first 8 bytes of SHA-256 over what stands before
 *     64..     tags, 8 bytes each, in the order in which they came
 *
 * What was handed to the operating system outlives the process, but not the machine: after another boot the last tags
 * may be missing, and their packets could be played again. The log is therefore good within one boot only, unless it is
 * empty: whoever writes it syncs the first tags to the disk before their packets leave.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { REPLAY_TAG_BYTES, type ReplaySet } from './replay-set.ts';

export const REPLAY_KEY_ID_BYTES = 32;
export const BOOT_ID_BYTES = 16;
export const REPLAY_LOG_HEADER_BYTES = 64;

const MAGIC = Buffer.from('fogtags1', 'latin1');
const KEY_ID_AT = MAGIC.length;
const BOOT_ID_AT = KEY_ID_AT + REPLAY_KEY_ID_BYTES;
const CHECK_AT = BOOT_ID_AT + BOOT_ID_BYTES;

export interface ReplayLogHeader {
  /** Names the Sphinx key, e.g. the hash of its public half. */
  keyId: Uint8Array;
  /** Of the machine, e.g. `/proc/sys/kernel/random/boot_id` as bytes. */
  bootId: Uint8Array;
}

/** The first 64 bytes of a log. Throws a `RangeError` when an id has another length. */
export function encodeReplayLogHeader({ keyId, bootId }: ReplayLogHeader): Uint8Array {
  if (keyId.length !== REPLAY_KEY_ID_BYTES) throw new RangeError(`the id of a key has ${REPLAY_KEY_ID_BYTES} bytes`);
  if (bootId.length !== BOOT_ID_BYTES) throw new RangeError(`the id of a boot has ${BOOT_ID_BYTES} bytes`);
  const header = new Uint8Array(REPLAY_LOG_HEADER_BYTES);
  header.set(MAGIC);
  header.set(keyId, KEY_ID_AT);
  header.set(bootId, BOOT_ID_AT);
  header.set(checkOf(header), CHECK_AT);
  return header;
}

/** Reads the first 64 bytes; null when they are not the header of a log. What follows them is not looked at. */
export function parseReplayLogHeader(bytes: Uint8Array): ReplayLogHeader | null {
  if (bytes.length < REPLAY_LOG_HEADER_BYTES) return null;
  if (!timingSafeEqual(bytes.subarray(0, MAGIC.length), MAGIC)) return null;
  if (!timingSafeEqual(bytes.subarray(CHECK_AT, REPLAY_LOG_HEADER_BYTES), checkOf(bytes))) return null;
  // Copies, also of a Buffer, whose slices would stay views.
  return {
    keyId: new Uint8Array(bytes.subarray(KEY_ID_AT, BOOT_ID_AT)),
    bootId: new Uint8Array(bytes.subarray(BOOT_ID_AT, CHECK_AT)),
  };
}

function checkOf(header: Uint8Array): Uint8Array {
  return createHash('sha256')
    .update(header.subarray(0, CHECK_AT))
    .digest()
    .subarray(0, REPLAY_LOG_HEADER_BYTES - CHECK_AT);
}

/**
 * The length of a log without its torn tail: the part of a tag that was being written when the process died. That
 * tag's packet was not forwarded. The file is cut to this length before more is appended.
 */
export function wholeReplayLogBytes(fileBytes: number): number {
  if (fileBytes < REPLAY_LOG_HEADER_BYTES) return 0;
  return fileBytes - ((fileBytes - REPLAY_LOG_HEADER_BYTES) % REPLAY_TAG_BYTES);
}

export type RetirementReason = 'no-log' | 'damaged-log' | 'other-key' | 'other-boot' | 'unknown-boot' | 'over-capacity';

export type RestartDecision =
  /** The tags in the first `wholeBytes` are loaded, the file is cut there, and the key lives on. */
  | { action: 'resume'; tags: number; wholeBytes: number }
  /** Of another boot, but no packet has left under the key: it lives on with a new log. */
  | { action: 'renew' }
  /** The key must not be used again. */
  | { action: 'retire'; reason: RetirementReason };

export interface RestartFacts {
  /** The beginning of the log, at least its header, and the length of the file; null when there is none. */
  log: { head: Uint8Array; fileBytes: number } | null;
  /** The key that the node would like to go on with. */
  keyId: Uint8Array;
  /** The present boot; null where the system does not tell, and then no log can be trusted. */
  bootId: Uint8Array | null;
  /** Of the set that the tags are loaded into. */
  capacity: number;
}

/** Whether a key may be used after a restart. In doubt it is retired: clients then take the key of the next epoch. */
export function decideOnRestart({ log, keyId, bootId, capacity }: RestartFacts): RestartDecision {
  if (log === null) return { action: 'retire', reason: 'no-log' };
  const header = parseReplayLogHeader(log.head);
  if (header === null || log.fileBytes < REPLAY_LOG_HEADER_BYTES) return { action: 'retire', reason: 'damaged-log' };
  if (Buffer.compare(header.keyId, keyId) !== 0) return { action: 'retire', reason: 'other-key' };
  const wholeBytes = wholeReplayLogBytes(log.fileBytes);
  const tags = (wholeBytes - REPLAY_LOG_HEADER_BYTES) / REPLAY_TAG_BYTES;
  const isOfThisBoot = bootId !== null && Buffer.compare(header.bootId, bootId) === 0;
  if (!isOfThisBoot && tags === 0) return { action: 'renew' };
  if (!isOfThisBoot) return { action: 'retire', reason: bootId === null ? 'unknown-boot' : 'other-boot' };
  if (tags > capacity) return { action: 'retire', reason: 'over-capacity' };
  return { action: 'resume', tags, wholeBytes };
}

/**
 * Enters the tags of a piece of a log that begins at a whole tag; a torn one at its end is left out. Answers how many
 * bytes were taken. Throws a `RangeError` when the set is full: the key must then be retired.
 */
export function loadReplayTags(set: ReplaySet, piece: Uint8Array): number {
  const wholeBytes = piece.length - (piece.length % REPLAY_TAG_BYTES);
  for (let at = 0; at < wholeBytes; at += REPLAY_TAG_BYTES) {
    if (set.insert(piece, at) === 'full') throw new RangeError('the log holds more tags than the set takes');
  }
  return wholeBytes;
}
