/**
 * What a node does with a packet: the definition that every backend agrees with, byte for byte.
 *
 * Order: version and length, shared secret, MAC of the header; only then the commands, and then the payload.
 *
 * Source: Katzenpost, "Sphinx cryptographic packet format", section 4.2 (processing).
 */
import { concat, copyOf } from './bytes.ts';
import { readCommands } from './commands.ts';
import { type Geometry, SLOT_BYTES } from './geometry.ts';
import { type OpenedHeader, openHeader } from './header.ts';
import { type OutcomeName, REPLAY_TAG_BYTES } from './outcome.ts';
import { headerSuite, withoutTag } from './packet.ts';
import type { Primitives } from './primitives.ts';

export interface UnwrapOptions {
  geometry: Geometry;
  privateKey: Uint8Array;
  /** See `UnwrapperOptions`. */
  tagKey: Uint8Array;
  primitives: Primitives;
}

export interface Unwrapped {
  status: OutcomeName;
  delayMilliseconds: number;
  /** Zeros when the header was not authentic. */
  replayTag: Uint8Array;
  /** Of the next node (forward) or of the recipient (deliver, reply). */
  id: Uint8Array | null;
  replyId: Uint8Array | null;
  /** forward: the next packet. deliver, reply: header as it came, body without this hop's layer. Otherwise null. */
  packet: Uint8Array | null;
}

export function unwrap(options: UnwrapOptions, packet: Uint8Array): Unwrapped {
  const { geometry, privateKey, tagKey, primitives } = options;
  if (packet.length !== geometry.packetBytes) return refused('malformed', new Uint8Array(REPLAY_TAG_BYTES));
  const header = packet.subarray(0, geometry.headerBytes);
  const { opened, fault } = openHeader(headerSuite(geometry, primitives), privateKey, header);
  if (opened === undefined) return refused(fault, new Uint8Array(REPLAY_TAG_BYTES));
  const replayTag = copyOf(primitives.hmacSha256(tagKey, [opened.sharedSecret]).subarray(0, REPLAY_TAG_BYTES));
  const result = followed(opened, header, packet.subarray(geometry.headerBytes), replayTag);
  opened.secrets.wipe();
  opened.sharedSecret.fill(0);
  return result;
}

function followed(opened: OpenedHeader, header: Uint8Array, body: Uint8Array, replayTag: Uint8Array): Unwrapped {
  const commands = readCommands(opened.routing.subarray(0, SLOT_BYTES));
  if (commands === null) return refused('malformed', replayTag);
  const { delayMilliseconds, nextHop, recipient, replyId } = commands;
  const peeled = opened.secrets.decrypt(body);
  const common = { delayMilliseconds, replayTag, replyId };
  if (nextHop !== null) {
    const packet = concat([opened.next(nextHop.mac), peeled]);
    return { ...common, status: 'forward', id: nextHop.id, packet };
  }
  const packet = concat([header, peeled]);
  if (replyId !== null) return { ...common, status: 'reply', id: recipient, packet };
  if (withoutTag(peeled) === null) return refused('badPayload', replayTag);
  return { ...common, status: 'deliver', id: recipient, packet };
}

function refused(status: OutcomeName, replayTag: Uint8Array): Unwrapped {
  return { status, delayMilliseconds: 0, replayTag, id: null, replyId: null, packet: null };
}
