/**
 * What became of a packet that was unwrapped, as a record of fixed size. Records lie one after another in memory that
 * threads share, one for each packet of a batch:
 *
 *     0       status, see OUTCOME_STATUS
 *     1..3    zero
 *     4..7    delay in milliseconds, little-endian; zero when the packet asks for none
 *     8..15   replay tag; zero when the header was not authentic
 *     16..47  id of the next node (forward) or of the recipient (deliver, reply)
 *     48..63  id of the reply block (reply)
 */
import { copyOf } from './bytes.ts';
import { NODE_ID_BYTES, REPLY_ID_BYTES } from './geometry.ts';

export const OUTCOME_BYTES = 64;
export const REPLAY_TAG_BYTES = 8;
const TAG_AT = 8;

export const OUTCOME_STATUS = {
  /** The packet in place is the next hop's. */
  forward: 0,
  /** The payload (tag removed, not moved: it starts `PAYLOAD_TAG_BYTES` into the body) is for the recipient. */
  deliver: 1,
  /** The body is for the owner of a reply block, who alone can decrypt it. */
  reply: 2,
  /** Not of this version or geometry, or a header whose commands make no sense though its MAC is right. */
  malformed: 16,
  /** The MAC of the header is wrong: damaged, or meant for another node or another key. The packet is untouched. */
  badMac: 17,
  /** The group element is of low order: the shared secret would be zero. The packet is untouched. */
  zeroSecret: 18,
  /** The payload was changed on its way: its tag is not zero. */
  badPayload: 19,
} as const;

export type OutcomeName = keyof typeof OUTCOME_STATUS;

const NAMES = new Map<number, OutcomeName>(
  Object.entries(OUTCOME_STATUS).map(([name, status]) => [status, name as OutcomeName]),
);

export interface Outcome {
  status: OutcomeName;
  delayMilliseconds: number;
  replayTag: Uint8Array;
  /** Of the next node, or of the recipient. */
  id: Uint8Array;
  replyId: Uint8Array;
}

/**
 * Whether the header of the packet was authentic, so that its tag is to be remembered. The status says so, except where a
 * packet is malformed: that may be of the header as a whole, which has no tag then, or of commands under a good MAC.
 */
export function isAuthentic(record: Uint8Array): boolean {
  switch (record[0]) {
    case OUTCOME_STATUS.badMac:
    case OUTCOME_STATUS.zeroSecret:
      return false;
    case OUTCOME_STATUS.malformed:
      return record.subarray(TAG_AT, TAG_AT + REPLAY_TAG_BYTES).some((byte) => byte !== 0);
    default:
      return true;
  }
}

/** Reads the record that begins at `offset`. */
export function readOutcome(records: Uint8Array, offset = 0): Outcome {
  const view = new DataView(records.buffer, records.byteOffset + offset, OUTCOME_BYTES);
  const status = NAMES.get(view.getUint8(0));
  if (status === undefined) throw new RangeError(`${view.getUint8(0)} is not the status of an outcome`);
  const bytes = (from: number, length: number) => copyOf(records.subarray(offset + from, offset + from + length));
  return {
    status,
    delayMilliseconds: view.getUint32(4, true),
    replayTag: bytes(TAG_AT, REPLAY_TAG_BYTES),
    id: bytes(16, NODE_ID_BYTES),
    replyId: bytes(48, REPLY_ID_BYTES),
  };
}

/** Writes a record. What is left out is zero. */
export function writeOutcome(
  records: Uint8Array,
  offset: number,
  outcome: Partial<Outcome> & Pick<Outcome, 'status'>,
): void {
  records.fill(0, offset, offset + OUTCOME_BYTES);
  const view = new DataView(records.buffer, records.byteOffset + offset, OUTCOME_BYTES);
  view.setUint8(0, OUTCOME_STATUS[outcome.status]);
  view.setUint32(4, outcome.delayMilliseconds ?? 0, true);
  if (outcome.replayTag !== undefined) records.set(outcome.replayTag, offset + TAG_AT);
  if (outcome.id !== undefined) records.set(outcome.id, offset + 16);
  if (outcome.replyId !== undefined) records.set(outcome.replyId, offset + 48);
}
