/**
 * Making packets: for a recipient, for the owner of a reply block, and the reply blocks themselves (SURBs, single-use
 * reply blocks).
 *
 * Source: Katzenpost, "Sphinx cryptographic packet format", sections 4 (creation) and 5 (reply blocks).
 */
import { randomFillSync } from 'node:crypto';
import { FogError } from '@fog/contract';
import { concat, copyOf } from './bytes.ts';
import { delayCommand, nextHopCommand, recipientCommand, replyCommand } from './commands.ts';
import {
  type Geometry,
  MAC_BYTES,
  NODE_ID_BYTES,
  PAYLOAD_TAG_BYTES,
  RECIPIENT_BYTES,
  REPLY_ID_BYTES,
} from './geometry.ts';
import { createHeader, type HeaderSuite, hopChain, lastRegionBytes, type Slot } from './header.ts';
import { KP_X25519, REPLY_KEY_BYTES } from './kp-x25519.ts';
import { SPHINX_LIMITS } from './limits.ts';
import { type Primitives, PURE_PRIMITIVES } from './primitives.ts';
import type { HopSecrets } from './suite.ts';

export interface PathHop {
  /** 32 bytes. */
  id: Uint8Array;
  /** X25519 public key of the node for the epoch in which the packet gets there, 32 bytes. */
  publicKey: Uint8Array;
  /** How long the node is to hold the packet. Meaningless at the last hop, where it must be 0. */
  delayMilliseconds: number;
}

export interface PacketOptions {
  geometry: Geometry;
  /** From 1 to `geometry.hops` nodes, first to last. */
  path: readonly PathHop[];
  /** Whom the last node shall give the payload, 32 bytes. */
  recipient: Uint8Array;
  /** Fills bytes with randomness. Default: the system's. */
  random?: (bytes: Uint8Array) => void;
  /** Default: pure JavaScript. */
  primitives?: Primitives;
  /**
   * Is told the group element that each hop will find in the header, first to last, 32 bytes each. By it a packet can be
   * recognised at each hop: only for networks on which nothing has to be hidden.
   */
  elements?: ((elements: readonly Uint8Array[]) => void) | undefined;
}

/** Returns a packet of `geometry.packetBytes`. `payload` has `geometry.payloadBytes`. Throws `invalid-request`. */
export function createPacket(options: PacketOptions & { payload: Uint8Array }): Uint8Array {
  const { geometry, payload } = options;
  assertLength('payload', payload, geometry.payloadBytes);
  const { header, secrets } = headerFor(options, null);
  let body: Uint8Array = concat([new Uint8Array(PAYLOAD_TAG_BYTES), payload]);
  for (const hop of secrets.toReversed()) body = hop.encrypt(body);
  for (const hop of secrets) hop.wipe();
  return concat([header, body]);
}

/** What a reply block's creator keeps: whoever has it can read the reply. 64 bytes for each hop and 64 of the block. */
export type ReplyKeys = Uint8Array;

export interface ReplyBlock {
  /** `geometry.replyBlockBytes`: header, id of the first node, key of the replier's layer. To be used once. */
  block: Uint8Array;
  keys: ReplyKeys;
}

/** A reply block that brings one payload to `recipient`, along `path`. `replyId` (16 bytes) tells which block it was. */
export function createReplyBlock(options: PacketOptions & { replyId: Uint8Array }): ReplyBlock {
  const { path, replyId, random = randomFillSync } = options;
  assertLength('replyId', replyId, REPLY_ID_BYTES);
  const { header, secrets } = headerFor(options, replyId);
  const replyKey = new Uint8Array(REPLY_KEY_BYTES);
  random(replyKey);
  // The last hop first, as its layer is the first to be put on again.
  const keys = concat([...secrets.toReversed().map(({ payloadKey }) => payloadKey), replyKey]);
  for (const hop of secrets) hop.wipe();
  const block = concat([header, (path[0] as PathHop).id, replyKey]);
  replyKey.fill(0);
  return { block, keys };
}

/** Makes the packet of a reply block, and says which node it is to be given to. Throws `invalid-request`. */
export function packetFromReplyBlock(
  geometry: Geometry,
  block: Uint8Array,
  payload: Uint8Array,
): { packet: Uint8Array; firstNode: Uint8Array } {
  assertLength('reply block', block, geometry.replyBlockBytes);
  assertLength('payload', payload, geometry.payloadBytes);
  const header = block.subarray(0, geometry.headerBytes);
  const firstNode = copyOf(block.subarray(geometry.headerBytes, geometry.headerBytes + NODE_ID_BYTES));
  const replyKey = block.subarray(geometry.headerBytes + NODE_ID_BYTES);
  const tagged = concat([new Uint8Array(PAYLOAD_TAG_BYTES), payload]);
  return { packet: concat([header, replyLayer(replyKey).encrypt(tagged)]), firstNode };
}

/**
 * Opens what came back by a reply block: `body` has `geometry.bodyBytes`. Null when it was changed on its way, or is
 * not of this block. The keys are wiped: a reply block serves once.
 */
export function openReply(geometry: Geometry, keys: ReplyKeys, body: Uint8Array): Uint8Array | null {
  assertLength('body', body, geometry.bodyBytes);
  let payload = body;
  for (let at = 0; at < keys.length; at += REPLY_KEY_BYTES) {
    const layer = replyLayer(keys.subarray(at, at + REPLY_KEY_BYTES));
    const isReplier = at + REPLY_KEY_BYTES === keys.length;
    payload = isReplier ? layer.decrypt(payload) : layer.encrypt(payload);
  }
  keys.fill(0);
  return withoutTag(payload);
}

/** The payload behind the tag, or null when the tag is not zero. */
export function withoutTag(body: Uint8Array): Uint8Array | null {
  let difference = 0;
  for (let at = 0; at < PAYLOAD_TAG_BYTES; at += 1) difference |= body[at] as number;
  return difference === 0 ? copyOf(body.subarray(PAYLOAD_TAG_BYTES)) : null;
}

function replyLayer(key: Uint8Array) {
  return KP_X25519.replyCipher(PURE_PRIMITIVES, key);
}

export function headerSuite(geometry: Geometry, primitives: Primitives): HeaderSuite {
  return { suite: KP_X25519, primitives, maxHops: geometry.hops };
}

function headerFor(options: PacketOptions, replyId: Uint8Array | null): { header: Uint8Array; secrets: HopSecrets[] } {
  const { geometry, path, recipient, random = randomFillSync, primitives = PURE_PRIMITIVES, elements } = options;
  assertPath(geometry, path);
  assertLength('recipient', recipient, RECIPIENT_BYTES);
  const format = headerSuite(geometry, primitives);
  const ephemeralKey = new Uint8Array(32);
  random(ephemeralKey);
  const chain = chainFor(format, ephemeralKey, path);
  elements?.(chain.elements.map(copyOf));
  const commands = [recipientCommand(recipient), ...(replyId === null ? [] : [replyCommand(replyId)])];
  const header = createHeader(format, chain, {
    slots: path.slice(0, -1).map((hop, index) => slotBefore(hop, (path[index + 1] as PathHop).id)),
    lastRegion: lastRegion(format, path.length, commands, random),
  });
  return { header, secrets: chain.secrets };
}

/** The key is wiped, also when a hop's is of low order. */
function chainFor(format: HeaderSuite, ephemeralKey: Uint8Array, path: readonly PathHop[]) {
  const publicKeys = path.map(({ publicKey }) => publicKey);
  try {
    return hopChain(format, ephemeralKey, publicKeys);
  } finally {
    ephemeralKey.fill(0);
  }
}

function slotBefore({ delayMilliseconds }: PathHop, nextId: Uint8Array): Slot {
  const bytes = new Uint8Array(KP_X25519.slotBytes);
  const commands = concat([
    ...(delayMilliseconds === 0 ? [] : [delayCommand(delayMilliseconds)]),
    nextHopCommand(nextId, new Uint8Array(MAC_BYTES)),
  ]);
  bytes.set(commands);
  return { bytes, macAt: commands.length - MAC_BYTES };
}

/** The last hop's commands with zeros to the end of its slot; slots of hops that do not exist are noise. */
function lastRegion(
  format: HeaderSuite,
  hops: number,
  commands: Uint8Array[],
  random: (bytes: Uint8Array) => void,
): Uint8Array {
  const region = new Uint8Array(lastRegionBytes(format, hops));
  random(region.subarray(format.suite.slotBytes));
  region.set(concat(commands));
  return region;
}

function assertPath(geometry: Geometry, path: readonly PathHop[]): void {
  if (path.length < 1 || path.length > geometry.hops) {
    throw new FogError('invalid-request', `a path has 1 to ${geometry.hops} hops, this one has ${path.length}`);
  }
  for (const [index, { id, publicKey, delayMilliseconds }] of path.entries()) {
    assertLength(`path[${index}].id`, id, NODE_ID_BYTES);
    assertLength(`path[${index}].publicKey`, publicKey, 32);
    const most = index === path.length - 1 ? 0 : SPHINX_LIMITS.delayMilliseconds;
    if (Number.isInteger(delayMilliseconds) && delayMilliseconds >= 0 && delayMilliseconds <= most) continue;
    const message = `path[${index}].delayMilliseconds is ${delayMilliseconds}, and must be from 0 to ${most}`;
    throw new FogError('invalid-request', message);
  }
}

function assertLength(name: string, bytes: Uint8Array, length: number): void {
  if (bytes.length === length) return;
  throw new FogError('invalid-request', `${name} has ${bytes.length} bytes, and must have ${length}`);
}
