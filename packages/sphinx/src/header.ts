/**
 * The header: for each hop a slot that only this hop can read, under a MAC that only this hop can check, of a length
 * that does not tell how far the packet has come.
 *
 *     associated data | element | routing information | MAC
 *
 * A hop shifts the routing information by one slot to the left and XORs it with its key stream, which also fills what
 * becomes free on the right. The creator knows all streams, so it knows that filling (the filler) and can have it under
 * the MACs of later hops.
 *
 * Source: Danezis, Goldberg (2009), sections 3.2 (creation) and 3.6 (processing).
 */
import { timingSafeEqual } from 'node:crypto';
import { concat, copyOf, xor } from './bytes.ts';
import { ELEMENT_BYTES } from './geometry.ts';
import { BASE_POINT, isZero, type Primitives } from './primitives.ts';
import type { HopSecrets, Suite } from './suite.ts';

export interface HeaderSuite {
  suite: Suite;
  primitives: Primitives;
  /** The longest path of the geometry. */
  maxHops: number;
}

/** What a hop before the last is told. Its bytes without the next hop's MAC, and where that goes. */
export interface Slot {
  bytes: Uint8Array;
  macAt: number;
}

export interface HeaderPlan {
  /** For all hops but the last. */
  slots: readonly Slot[];
  /** All that the last hop reads, and padding up to the end: see `lastRegionBytes`. */
  lastRegion: Uint8Array;
}

/** The chain of a packet, first hop to last. */
export interface HopChain {
  /** The group element that each hop sees. */
  elements: Uint8Array[];
  /** The creator's end of each hop. To be wiped. */
  secrets: HopSecrets[];
}

export function routingBytesOf({ suite, maxHops }: HeaderSuite): number {
  return maxHops * suite.slotBytes + suite.trailerBytes;
}

/** How much of the routing information is left for the last of `hops` hops. */
export function lastRegionBytes(format: HeaderSuite, hops: number): number {
  return routingBytesOf(format) - (hops - 1) * format.suite.slotBytes;
}

/**
 * The chain that starts from an X25519 private key made for one packet, along the public keys of the hops. Throws a
 * `RangeError` when one of these is of low order: everybody could read the packet.
 */
export function hopChain(
  { suite, primitives }: HeaderSuite,
  ephemeralKey: Uint8Array,
  publicKeys: readonly Uint8Array[],
): HopChain {
  const elements: Uint8Array[] = [];
  const secrets: HopSecrets[] = [];
  let element = primitives.x25519(ephemeralKey, BASE_POINT);
  for (const publicKey of publicKeys) {
    let shared = primitives.x25519(ephemeralKey, publicKey);
    for (const { blindingScalar } of secrets) {
      const blinded = primitives.x25519(blindingScalar, shared);
      shared.fill(0);
      shared = blinded;
    }
    if (isZero(shared)) {
      for (const hop of secrets) hop.wipe();
      throw new RangeError('the public key of a hop is of low order');
    }
    const hop = suite.hop(primitives, element, shared);
    shared.fill(0);
    elements.push(element);
    secrets.push(hop);
    element = primitives.x25519(hop.blindingScalar, element);
  }
  return { elements, secrets };
}

/** The header that the first hop gets. */
export function createHeader(format: HeaderSuite, { elements, secrets }: HopChain, plan: HeaderPlan): Uint8Array {
  const { suite } = format;
  const routingBytes = routingBytesOf(format);
  const last = secrets.length - 1;

  const mac = (hop: number, routing: Uint8Array) =>
    (secrets[hop] as HopSecrets).mac([suite.associatedData, elements[hop] as Uint8Array, routing]);

  const region = xor(plan.lastRegion, (secrets[last] as HopSecrets).stream(plan.lastRegion.length));
  let routing = concat([region, fillerOf(format, secrets)]);
  let nextMac = mac(last, routing);
  for (let hop = last - 1; hop >= 0; hop -= 1) {
    const { bytes, macAt } = plan.slots[hop] as Slot;
    const slot = copyOf(bytes);
    slot.set(nextMac, macAt);
    const plain = concat([slot, routing.subarray(0, routingBytes - suite.slotBytes)]);
    routing = xor(plain, (secrets[hop] as HopSecrets).stream(routingBytes));
    nextMac = mac(hop, routing);
  }
  return concat([suite.associatedData, elements[0] as Uint8Array, routing, nextMac]);
}

/** What the hops before the last will have filled in on the right when the packet is there. */
function fillerOf(format: HeaderSuite, secrets: readonly HopSecrets[]): Uint8Array {
  const { slotBytes } = format.suite;
  const routingBytes = routingBytesOf(format);
  let filler: Uint8Array = new Uint8Array(0);
  for (const secret of secrets.slice(0, -1)) {
    const extended = concat([filler, new Uint8Array(slotBytes)]);
    const stream = secret.stream(routingBytes + slotBytes);
    filler = xor(extended, stream.subarray(stream.length - extended.length));
  }
  return filler;
}

/** A header that a hop has opened. */
export interface OpenedHeader {
  secrets: HopSecrets;
  sharedSecret: Uint8Array;
  /** The routing information and one slot more, decrypted. This hop is told what stands in the first slot. */
  routing: Uint8Array;
  /** Header of the next hop, whose MAC stands in the slot. */
  next(mac: Uint8Array): Uint8Array;
}

export type HeaderFault = 'malformed' | 'zeroSecret' | 'badMac';

/**
 * Opens a header with a hop's private key. Nothing of it is looked at before its MAC is known to be right. The caller
 * wipes `secrets` and `sharedSecret`.
 */
export function openHeader(
  format: HeaderSuite,
  privateKey: Uint8Array,
  header: Uint8Array,
): { opened: OpenedHeader; fault?: never } | { opened?: never; fault: HeaderFault } {
  const { suite, primitives } = format;
  const elementAt = suite.associatedData.length;
  const routingAt = elementAt + ELEMENT_BYTES;
  const macAt = routingAt + routingBytesOf(format);
  const hasVersion = suite.associatedData.every((byte, at) => header[at] === byte);
  if (header.length !== macAt + suite.macBytes || !hasVersion) return { fault: 'malformed' };

  const element = header.subarray(elementAt, routingAt);
  const sharedSecret = primitives.x25519(privateKey, element);
  if (isZero(sharedSecret)) return { fault: 'zeroSecret' };
  const secrets = suite.hop(primitives, element, sharedSecret);
  const routing = header.subarray(routingAt, macAt);
  if (!timingSafeEqual(secrets.mac([suite.associatedData, element, routing]), header.subarray(macAt))) {
    secrets.wipe();
    sharedSecret.fill(0);
    return { fault: 'badMac' };
  }

  const extended = concat([routing, new Uint8Array(suite.slotBytes)]);
  const plain = xor(extended, secrets.stream(extended.length));
  const next = (mac: Uint8Array) =>
    concat([
      suite.associatedData,
      primitives.x25519(secrets.blindingScalar, element),
      plain.subarray(suite.slotBytes),
      mac,
    ]);
  return { opened: { secrets, sharedSecret, routing: plain, next } };
}
