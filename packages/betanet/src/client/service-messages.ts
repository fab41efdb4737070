/**
 * What a packet carries between a client and a service. Every payload has the full size, padded with zeros, so that
 * nobody but the two ends can tell what is in it, if anything.
 *
 *     0       version, 1
 *     1       kind: 0 cover, 1 request (to the service), 2 reply (by a reply block)
 *     2       acknowledgements
 *     3       reply blocks in this payload
 *     4       flags: 1 there is a fragment, 2 the packet's own room for a reply block is used
 *     5       zero
 *     6..7    reply blocks that the service wants (of a reply)
 *     8..11   of a reply: the highest number of a reply block that the service has seen, plus one; of a request: the
 *             lowest number of a reply block that still leads to the client
 *     12..27  pseudonym of the sender (of a request), otherwise zeros
 *     28..    acknowledgements: sequence (4), one bit for each fragment that is there (32)
 *             reply block in the packet's own room: number (4), expiry in milliseconds (6)
 *             further reply blocks: number (4), expiry in milliseconds (6), block
 *             fragment: sequence (4), oldest sequence that the sender still has under way (4), sequence of the request
 *             that it answers plus one (4), index (2), count of the message's fragments (2), length (2), data
 *             zeros
 *
 * Numbers are unsigned and big-endian. One content has one encoding: whatever parses is what `encodePayload` would write.
 */
import { createHash } from 'node:crypto';
import { FogError } from '@fog/contract';
import { CLIENT_LIMITS } from './limits.ts';

export const PAYLOAD_VERSION = 1;
export const PSEUDONYM_BYTES = 16;
export const BITMAP_BYTES = CLIENT_LIMITS.fragmentsPerMessage / 8;

const KINDS = ['cover', 'request', 'reply'] as const;
export type PayloadKind = (typeof KINDS)[number];

export const HEADER_BYTES = 28;
export const ACKNOWLEDGEMENT_BYTES = 4 + BITMAP_BYTES;
/** What is told of a reply block, beside the block itself. */
export const BLOCK_RECORD_BYTES = 10;
export const FRAGMENT_HEADER_BYTES = 18;

const FLAG_FRAGMENT = 1;
const FLAG_OWN_BLOCK = 2;
const LARGEST_UINT32 = 0xffff_ffff;

/** One part of a message. */
export interface Fragment {
  /** Of the message: its sender counts them from 0. */
  sequence: number;
  /** Of the messages that its sender has under way, the lowest sequence: at most this one's. */
  oldest: number;
  /** Sequence of the request that the message answers; null for none. */
  answers: number | null;
  index: number;
  count: number;
  data: Uint8Array;
}

/** Which fragments of a message its receiver has. All bits are set once the message was delivered. */
export interface Acknowledgement {
  sequence: number;
  bitmap: Uint8Array;
}

/** Blocks of one session are numbered from 0, so that the service can tell which it has had. */
export interface BlockRecord {
  number: number;
  /** The block must not be used from then on. */
  expiresAt: number;
}

export interface NumberedBlock extends BlockRecord {
  block: Uint8Array;
}

export interface Payload {
  kind: PayloadKind;
  /** Of a request: whose it is. Zeros in others. */
  pseudonym: Uint8Array;
  acknowledgements: readonly Acknowledgement[];
  /** What is told of the reply block in the packet's own room. */
  ownBlock: BlockRecord | null;
  blocks: readonly NumberedBlock[];
  fragment: Fragment | null;
  blocksWanted: number;
  /** Of a reply: no reply block of this number or a higher one has been seen by the service. */
  blocksSeen: number;
  /** Of a request: reply blocks of lower numbers lead nowhere any more, since the client has moved. */
  blocksFrom: number;
}

export interface PayloadSizes {
  payloadBytes: number;
  replyBlockBytes: number;
}

export const EMPTY_PAYLOAD: Omit<Payload, 'kind'> = {
  pseudonym: new Uint8Array(PSEUDONYM_BYTES),
  acknowledgements: [],
  ownBlock: null,
  blocks: [],
  fragment: null,
  blocksWanted: 0,
  blocksSeen: 0,
  blocksFrom: 0,
};

/**
 * Bytes of fragment data that fit beside one acknowledgement and the record of the packet's own reply block. Throws
 * `invalid-configuration` when payloads are too small for any.
 */
export function fragmentBytes(payloadBytes: number): number {
  const overhead = HEADER_BYTES + ACKNOWLEDGEMENT_BYTES + BLOCK_RECORD_BYTES + FRAGMENT_HEADER_BYTES;
  if (payloadBytes > overhead) return payloadBytes - overhead;
  throw new FogError(
    'invalid-configuration',
    `payloads of ${payloadBytes} bytes carry no message: ${overhead} are used`,
  );
}

/** The 32 bytes that stand for a service in a packet: SHA-256 of a label, a line end and its name. */
export function serviceRecipient(name: string): Uint8Array {
  const isName = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name) && name.length <= CLIENT_LIMITS.serviceNameCharacters;
  if (!isName) {
    const rule = `lower-case letters, digits, dots and hyphens, at most ${CLIENT_LIMITS.serviceNameCharacters}`;
    throw new FogError('invalid-request', `${JSON.stringify(name.slice(0, 80))} is no name of a service: ${rule}`);
  }
  return createHash('sha256').update(`fog-mix-service-v1\n${name}`).digest();
}

/** Whom drop cover is sent to: every node that delivers throws it away. */
export function coverRecipient(): Uint8Array {
  return createHash('sha256').update('fog-mix-cover-v1\n').digest();
}

/** Bytes of a payload before its padding. */
export function usedBytes(payload: Payload, replyBlockBytes: number): number {
  return (
    HEADER_BYTES +
    payload.acknowledgements.length * ACKNOWLEDGEMENT_BYTES +
    (payload.ownBlock === null ? 0 : BLOCK_RECORD_BYTES) +
    payload.blocks.length * (BLOCK_RECORD_BYTES + replyBlockBytes) +
    (payload.fragment === null ? 0 : FRAGMENT_HEADER_BYTES + payload.fragment.data.length)
  );
}

/** Throws a RangeError when the content does not fit, or is none that `parsePayload` would take. */
export function encodePayload(payload: Payload, { payloadBytes, replyBlockBytes }: PayloadSizes): Uint8Array {
  if (!isContent(payload) || payload.blocks.some(({ block }) => block.length !== replyBlockBytes)) {
    throw new RangeError('the content of a payload breaks its own format');
  }
  const used = usedBytes(payload, replyBlockBytes);
  if (used > payloadBytes) throw new RangeError(`${used} bytes do not fit into a payload of ${payloadBytes}`);
  const bytes = Buffer.alloc(payloadBytes);
  const { fragment, ownBlock } = payload;
  bytes[0] = PAYLOAD_VERSION;
  bytes[1] = KINDS.indexOf(payload.kind);
  bytes[2] = payload.acknowledgements.length;
  bytes[3] = payload.blocks.length;
  bytes[4] = (fragment === null ? 0 : FLAG_FRAGMENT) | (ownBlock === null ? 0 : FLAG_OWN_BLOCK);
  bytes.writeUInt16BE(payload.blocksWanted, 6);
  bytes.writeUInt32BE(payload.kind === 'request' ? payload.blocksFrom : payload.blocksSeen, 8);
  bytes.set(payload.pseudonym, 12);
  let at = HEADER_BYTES;
  const put = (data: Uint8Array) => {
    bytes.set(data, at);
    at += data.length;
  };
  for (const { sequence, bitmap } of payload.acknowledgements) {
    at = bytes.writeUInt32BE(sequence, at);
    put(bitmap);
  }
  if (ownBlock !== null) at = writeRecord(bytes, ownBlock, at);
  for (const numbered of payload.blocks) {
    at = writeRecord(bytes, numbered, at);
    put(numbered.block);
  }
  if (fragment !== null) {
    at = bytes.writeUInt32BE(fragment.sequence, at);
    at = bytes.writeUInt32BE(fragment.oldest, at);
    at = bytes.writeUInt32BE(fragment.answers === null ? 0 : fragment.answers + 1, at);
    at = bytes.writeUInt16BE(fragment.index, at);
    at = bytes.writeUInt16BE(fragment.count, at);
    at = bytes.writeUInt16BE(fragment.data.length, at);
    put(fragment.data);
  }
  return bytes;
}

/** Null for whatever is no payload. What is returned are copies. */
export function parsePayload(received: Uint8Array, { payloadBytes, replyBlockBytes }: PayloadSizes): Payload | null {
  if (received.length !== payloadBytes || payloadBytes < HEADER_BYTES) return null;
  const bytes = Buffer.from(received);
  const kind = KINDS[bytes.readUInt8(1)];
  const [acknowledgements, blocks, flags] = [bytes.readUInt8(2), bytes.readUInt8(3), bytes.readUInt8(4)];
  if (bytes[0] !== PAYLOAD_VERSION || kind === undefined || bytes[5] !== 0) return null;
  if (flags > (FLAG_FRAGMENT | FLAG_OWN_BLOCK)) return null;
  const hasFragment = (flags & FLAG_FRAGMENT) !== 0;
  const hasOwnBlock = (flags & FLAG_OWN_BLOCK) !== 0;
  const fixed =
    HEADER_BYTES +
    acknowledgements * ACKNOWLEDGEMENT_BYTES +
    (hasOwnBlock ? BLOCK_RECORD_BYTES : 0) +
    blocks * (BLOCK_RECORD_BYTES + replyBlockBytes) +
    (hasFragment ? FRAGMENT_HEADER_BYTES : 0);
  if (fixed > payloadBytes) return null;
  let at = HEADER_BYTES;
  const cut = (length: number) => {
    at += length;
    return new Uint8Array(bytes.subarray(at - length, at));
  };
  const record = () => readRecord(cut(BLOCK_RECORD_BYTES));
  const payload: Payload = {
    kind,
    pseudonym: new Uint8Array(bytes.subarray(12, 12 + PSEUDONYM_BYTES)),
    blocksWanted: bytes.readUInt16BE(6),
    blocksSeen: kind === 'request' ? 0 : bytes.readUInt32BE(8),
    blocksFrom: kind === 'request' ? bytes.readUInt32BE(8) : 0,
    acknowledgements: Array.from({ length: acknowledgements }, () => {
      const sequence = bytes.readUInt32BE(at);
      return { sequence, bitmap: cut(ACKNOWLEDGEMENT_BYTES).slice(4) };
    }),
    ownBlock: hasOwnBlock ? record() : null,
    blocks: Array.from({ length: blocks }, () => ({ ...record(), block: cut(replyBlockBytes) })),
    fragment: hasFragment ? readFragment(bytes, at) : null,
  };
  if (hasFragment && payload.fragment === null) return null;
  at += payload.fragment === null ? 0 : FRAGMENT_HEADER_BYTES + payload.fragment.data.length;
  const isPadded = bytes.subarray(at).every((byte) => byte === 0);
  return isPadded && isContent(payload) ? payload : null;
}

/** What the sizes of the fields do not rule out by themselves. */
function isContent(payload: Payload): boolean {
  const { kind, acknowledgements, blocks, ownBlock, fragment, blocksWanted, blocksSeen, blocksFrom } = payload;
  if (acknowledgements.length > CLIENT_LIMITS.acknowledgementsPerPayload) return false;
  if (blocks.length > CLIENT_LIMITS.replyBlocksPerPayload) return false;
  if (fragment !== null && !isFragment(fragment)) return false;
  const offersBlocks = ownBlock !== null || blocks.length > 0 || blocksFrom > 0;
  const asksForBlocks = blocksWanted > 0 || blocksSeen > 0;
  switch (kind) {
    case 'cover':
      return !offersBlocks && !asksForBlocks && fragment === null && acknowledgements.length === 0;
    case 'request':
      return !asksForBlocks;
    case 'reply':
      return !offersBlocks && payload.pseudonym.every((byte) => byte === 0);
  }
}

function isFragment({ sequence, oldest, index, count, answers }: Fragment): boolean {
  if (oldest > sequence) return false;
  if (count < 1 || count > CLIENT_LIMITS.fragmentsPerMessage || index >= count) return false;
  return answers === null || answers < LARGEST_UINT32;
}

function writeRecord(bytes: Buffer, { number, expiresAt }: BlockRecord, at: number): number {
  return bytes.writeUIntBE(expiresAt, bytes.writeUInt32BE(number, at), 6);
}

function readRecord(bytes: Uint8Array): BlockRecord {
  const record = Buffer.from(bytes);
  return { number: record.readUInt32BE(0), expiresAt: record.readUIntBE(4, 6) };
}

/** Null when its data reaches beyond the payload. */
function readFragment(bytes: Buffer, at: number): Fragment | null {
  const length = bytes.readUInt16BE(at + 16);
  const from = at + FRAGMENT_HEADER_BYTES;
  if (from + length > bytes.length) return null;
  const answers = bytes.readUInt32BE(at + 8);
  return {
    sequence: bytes.readUInt32BE(at),
    oldest: bytes.readUInt32BE(at + 4),
    answers: answers === 0 ? null : answers - 1,
    index: bytes.readUInt16BE(at + 12),
    count: bytes.readUInt16BE(at + 14),
    data: new Uint8Array(bytes.subarray(from, from + length)),
  };
}
