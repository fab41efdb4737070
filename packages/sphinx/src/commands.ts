/**
 * What a hop is told, as commands in its slot: one byte of tag and fields of fixed length, then zeros.
 *
 *     0x00  nothing follows: the rest is zero
 *     0x01  next hop: id of the node (32), MAC of the next header (32)
 *     0x02  recipient: id (32)
 *     0x03  reply: id of the reply block (16), beside a recipient
 *     0x80  delay: milliseconds, big-endian (4)
 *
 * Source: Katzenpost, "Sphinx cryptographic packet format", section 3.4 (per-hop routing commands).
 */
import { concat, copyOf } from './bytes.ts';
import { MAC_BYTES, NODE_ID_BYTES, RECIPIENT_BYTES, REPLY_ID_BYTES } from './geometry.ts';

export const COMMAND = { end: 0x00, nextHop: 0x01, recipient: 0x02, reply: 0x03, delay: 0x80 } as const;
const DELAY_BYTES = 4;

const FIELD_BYTES = new Map<number, number>([
  [COMMAND.nextHop, NODE_ID_BYTES + MAC_BYTES],
  [COMMAND.recipient, RECIPIENT_BYTES],
  [COMMAND.reply, REPLY_ID_BYTES],
  [COMMAND.delay, DELAY_BYTES],
]);

/** The commands of one slot. */
export interface Commands {
  delayMilliseconds: number;
  /** Either a next hop, whose MAC is with it, or a recipient. */
  nextHop: { id: Uint8Array; mac: Uint8Array } | null;
  recipient: Uint8Array | null;
  replyId: Uint8Array | null;
}

export function delayCommand(milliseconds: number): Uint8Array {
  const command = new Uint8Array(1 + DELAY_BYTES);
  command[0] = COMMAND.delay;
  new DataView(command.buffer).setUint32(1, milliseconds);
  return command;
}

/** The MAC stands at the end of the command. */
export function nextHopCommand(id: Uint8Array, mac: Uint8Array): Uint8Array {
  return concat([new Uint8Array([COMMAND.nextHop]), id, mac]);
}

export function recipientCommand(id: Uint8Array): Uint8Array {
  return concat([new Uint8Array([COMMAND.recipient]), id]);
}

export function replyCommand(id: Uint8Array): Uint8Array {
  return concat([new Uint8Array([COMMAND.reply]), id]);
}

/**
 * Reads a slot. Null when it makes no sense: an unknown tag, a command that is cut off or stands twice, bytes after the
 * end, a next hop beside a recipient, neither of them, or a reply without recipient.
 */
export function readCommands(slot: Uint8Array): Commands | null {
  const found = new Map<number, Uint8Array>();
  let at = 0;
  while (at < slot.length) {
    const tag = slot[at] as number;
    if (tag === COMMAND.end) {
      if (slot.subarray(at).some((byte) => byte !== 0)) return null;
      break;
    }
    const length = FIELD_BYTES.get(tag);
    if (length === undefined || found.has(tag) || at + 1 + length > slot.length) return null;
    found.set(tag, copyOf(slot.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  const nextHop = found.get(COMMAND.nextHop);
  const recipient = found.get(COMMAND.recipient) ?? null;
  const replyId = found.get(COMMAND.reply) ?? null;
  if ((nextHop === undefined) === (recipient === null)) return null;
  if (replyId !== null && recipient === null) return null;
  const delay = found.get(COMMAND.delay);
  return {
    delayMilliseconds: delay === undefined ? 0 : new DataView(delay.buffer).getUint32(0),
    nextHop:
      nextHop === undefined ? null : { id: nextHop.subarray(0, NODE_ID_BYTES), mac: nextHop.subarray(NODE_ID_BYTES) },
    recipient,
    replyId,
  };
}
