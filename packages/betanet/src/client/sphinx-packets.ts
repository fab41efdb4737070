/**
 * The client's packets in the Sphinx format. Packets to a service have room for one reply block beside the payload (a
 * flag, a reserved byte, the block or zeros); a packet made from a reply block needs no other, so all of it is payload.
 */

import { randomFillSync } from 'node:crypto';
import { FogError } from '@fog/contract';
import {
  createPacket,
  createReplyBlock,
  type Geometry,
  openReply,
  type Primitives,
  PURE_PRIMITIVES,
  packetFromReplyBlock,
} from '@fog/sphinx';
import type { FillRandom } from '../mixing/random-numbers.ts';
import type { PacketFactory } from './packet-factory.ts';

const FLAG_BYTES = 2;
const HAS_REPLY_BLOCK = 1;

/** Throws `invalid-configuration` for a geometry without room for a reply block. */
export function sphinxPackets(
  geometry: Geometry,
  fillRandom: FillRandom = randomFillSync,
  primitives: Primitives = PURE_PRIMITIVES,
): PacketFactory {
  if (!geometry.hasReplyBlock) {
    throw new FogError('invalid-configuration', 'packets of this geometry have no room for a reply block');
  }
  const { replyBlockBytes } = geometry;
  const random = (bytes: Uint8Array) => void fillRandom(bytes);
  return {
    request: { payloadBytes: geometry.userPayloadBytes, replyBlockBytes },
    reply: { payloadBytes: geometry.payloadBytes, replyBlockBytes },
    createPacket: ({ path, recipient, payload, replyBlock, elements }) => {
      const whole = new Uint8Array(geometry.payloadBytes);
      if (replyBlock !== null) {
        whole[0] = HAS_REPLY_BLOCK;
        whole.set(replyBlock, FLAG_BYTES);
      }
      whole.set(payload, FLAG_BYTES + replyBlockBytes);
      return createPacket({ geometry, path, recipient, payload: whole, random, primitives, elements });
    },
    createReplyBlock: ({ path, recipient, replyId, elements }) =>
      createReplyBlock({ geometry, path, recipient, replyId, random, primitives, elements }),
    packetFromReplyBlock: (block, payload) => packetFromReplyBlock(geometry, block, payload).packet,
    openReply: (keys, body) => openReply(geometry, keys, body),
  };
}

/** Takes what a service node unwrapped apart; null when its flag is none. Both parts are copies. */
export function deliveryOf(
  geometry: Geometry,
  delivered: Uint8Array,
): { payload: Uint8Array; replyBlock: Uint8Array | null } | null {
  const [flag, reserved] = delivered;
  if (delivered.length !== geometry.payloadBytes || reserved !== 0 || (flag !== 0 && flag !== HAS_REPLY_BLOCK)) {
    return null;
  }
  const end = FLAG_BYTES + geometry.replyBlockBytes;
  const copy = (from: number, to?: number) => Uint8Array.from(delivered.subarray(from, to));
  return { payload: copy(end), replyBlock: flag === 0 ? null : copy(FLAG_BYTES, end) };
}
