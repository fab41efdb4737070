/**
 * The sizes of a packet, computed from the number of hops and the payload. All packets of a network have one geometry:
 * whoever sees a packet learns nothing from its length.
 *
 *     packet    associated data | group element | routing information | MAC | payload tag | payload
 *               '------------------------- header ------------------------' '------ body ------'
 *     payload   flag | reserved | reply block or zeros | user payload      with reply blocks
 *               user payload                                               without
 *
 * Source: Katzenpost, "Sphinx cryptographic packet format", section 3 (geometry); NIKE profile with X25519.
 */
import { createHash } from 'node:crypto';
import { FogError } from '@fog/contract';
import { SPHINX_LIMITS } from './limits.ts';

/** The two bytes in front of a header: version 0 of the format. They are under the MAC. */
export const ASSOCIATED_DATA = new Uint8Array([0, 0]);
export const ELEMENT_BYTES = 32;
export const MAC_BYTES = 32;
export const NODE_ID_BYTES = 32;
export const RECIPIENT_BYTES = 32;
export const REPLY_ID_BYTES = 16;
/** Zeros in front of the payload; whoever decrypts the last layer finds them again, or the payload was changed. */
export const PAYLOAD_TAG_BYTES = 32;
export const PAYLOAD_KEY_BYTES = 48;
export const INITIAL_VECTOR_BYTES = 16;
/** What a hop is told: the longest set of commands, of a next hop (1 + 32 + 32) and a reply (1 + 16). */
export const SLOT_BYTES = 1 + NODE_ID_BYTES + MAC_BYTES + 1 + REPLY_ID_BYTES;
/** Flag and reserved byte in front of a reply block. */
export const REPLY_FLAG_BYTES = 2;

/** All sizes are in bytes. Make one with `geometryOf`. */
export interface Geometry {
  readonly hops: number;
  readonly userPayloadBytes: number;
  /** Whether each packet has room for a reply block beside the user's payload. */
  readonly hasReplyBlock: boolean;
  readonly routingBytes: number;
  readonly headerBytes: number;
  readonly replyBlockBytes: number;
  /** What is carried: the user's payload and, if there is room for one, the reply block. */
  readonly payloadBytes: number;
  /** The encrypted part: tag and payload. */
  readonly bodyBytes: number;
  readonly packetBytes: number;
}

export interface GeometryChoice {
  hops: number;
  userPayloadBytes: number;
  /** Default: true. */
  hasReplyBlock?: boolean;
}

/** The geometry of BetaNet unless a network says otherwise: seven hops, so that all privacy levels look alike. */
export const DEFAULT_GEOMETRY_CHOICE = { hops: 7, userPayloadBytes: 2000 } as const satisfies GeometryChoice;

/** Throws a `FogError` (`invalid-configuration`) when a size is not a whole number within `SPHINX_LIMITS`. */
export function geometryOf({ hops, userPayloadBytes, hasReplyBlock = true }: GeometryChoice): Geometry {
  assertWithin('hops', hops, SPHINX_LIMITS.hops);
  assertWithin('userPayloadBytes', userPayloadBytes, SPHINX_LIMITS.userPayloadBytes);
  const routingBytes = hops * SLOT_BYTES;
  const headerBytes = ASSOCIATED_DATA.length + ELEMENT_BYTES + routingBytes + MAC_BYTES;
  const replyBlockBytes = headerBytes + NODE_ID_BYTES + PAYLOAD_KEY_BYTES + INITIAL_VECTOR_BYTES;
  const payloadBytes = userPayloadBytes + (hasReplyBlock ? REPLY_FLAG_BYTES + replyBlockBytes : 0);
  const bodyBytes = PAYLOAD_TAG_BYTES + payloadBytes;
  return {
    hops,
    userPayloadBytes,
    hasReplyBlock,
    routingBytes,
    headerBytes,
    replyBlockBytes,
    payloadBytes,
    bodyBytes,
    packetBytes: headerBytes + bodyBytes,
  };
}

function assertWithin(name: string, value: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return;
  throw new FogError('invalid-configuration', `the geometry's ${name} is ${value}, and must be from 1 to ${most}`, {
    details: { name, value, most },
  });
}

/**
 * 32 bytes that name a geometry: SHA-256 of the suite's name and of what was chosen. A directory announces it, so that
 * nobody builds packets of another size.
 */
export function geometryHash(suite: string, geometry: Geometry): Uint8Array {
  const { hops, userPayloadBytes, hasReplyBlock, packetBytes } = geometry;
  const text = JSON.stringify(['fog-sphinx-geometry-v1', suite, hops, userPayloadBytes, hasReplyBlock, packetBytes]);
  return createHash('sha256').update(text).digest();
}
