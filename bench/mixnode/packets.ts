/**
 * Packets of two hops, made fast: the products of X25519 are computed for a batch at a time where the native backend
 * is there, and the rest by the primitives of that backend. What comes out is what `createPacket` makes, packet for
 * packet with an ephemeral key of its own; the sink proves it by unwrapping a sample.
 */
import { randomFillSync } from 'node:crypto';
import {
  createHeader,
  createPacket,
  type Geometry,
  type HeaderSuite,
  type HopSecrets,
  KP_X25519,
  lastRegionBytes,
  loadNative,
  type NativeBackend,
  nextHopCommand,
  PAYLOAD_TAG_BYTES,
  type Primitives,
  recipientCommand,
  SPHINX_LIMITS,
} from '../../packages/sphinx/src/index.ts';

const ELEMENT_BYTES = 32;
const MAC_BYTES = 32;
const PAYLOAD_KEY_BYTES = 48;

export interface Waypoint {
  id: Uint8Array;
  publicKey: Uint8Array;
}

export interface PacketPath {
  geometry: Geometry;
  first: Waypoint;
  last: Waypoint;
  recipient: Uint8Array;
}

/** Fills `target` with packets, one after another. The user's payload begins with the packet's number. */
export function makePackets(path: PacketPath, firstNumber: number, target: Uint8Array): void {
  const { packetBytes } = path.geometry;
  const total = Math.floor(target.length / packetBytes);
  const native = loadNative();
  for (let made = 0; made < total; ) {
    const count = native.available ? Math.min(SPHINX_LIMITS.batchPackets, total - made) : 1;
    const piece = target.subarray(made * packetBytes, (made + count) * packetBytes);
    if (native.available) makeBatch(native.backend, path, firstNumber + made, piece, count);
    else piece.set(makeOne(path, firstNumber + made));
    made += count;
  }
}

function makeOne({ geometry, first, last, recipient }: PacketPath, number: number): Uint8Array {
  const hops = [
    { ...first, delayMilliseconds: 0 },
    { ...last, delayMilliseconds: 0 },
  ];
  const payload = new Uint8Array(geometry.payloadBytes);
  writeNumber(payload, number);
  return createPacket({ geometry, path: hops, recipient, payload });
}

function makeBatch(
  native: NativeBackend,
  { geometry, first, last, recipient }: PacketPath,
  firstNumber: number,
  target: Uint8Array,
  count: number,
): void {
  const scalars = new Uint8Array(count * ELEMENT_BYTES);
  randomFillSync(scalars);
  const basePoint = Uint8Array.of(9, ...new Uint8Array(ELEMENT_BYTES - 1));
  const firstElements = native.x25519Batch(scalars, repeated(basePoint, count), count);
  const firstShared = native.x25519Batch(scalars, repeated(first.publicKey, count), count);
  const unblinded = native.x25519Batch(scalars, repeated(last.publicKey, count), count);
  const format: HeaderSuite = { suite: KP_X25519, primitives: primitivesOf(native), maxHops: geometry.hops };
  const secretsOf = (shared: Uint8Array, index: number) =>
    KP_X25519.hop(format.primitives, firstElements, elementAt(shared, index));
  const firstSecrets = Array.from({ length: count }, (_, index) => secretsOf(firstShared, index));
  const blinding = new Uint8Array(count * ELEMENT_BYTES);
  for (const [index, { blindingScalar }] of firstSecrets.entries()) blinding.set(blindingScalar, index * ELEMENT_BYTES);
  const lastElements = native.x25519Batch(blinding, firstElements, count);
  const lastShared = native.x25519Batch(blinding, unblinded, count);
  const slot = new Uint8Array(KP_X25519.slotBytes);
  const nextHop = nextHopCommand(last.id, new Uint8Array(MAC_BYTES));
  slot.set(nextHop);
  const lastRegion = new Uint8Array(lastRegionBytes(format, 2));
  for (const [index, secrets] of firstSecrets.entries()) {
    randomFillSync(lastRegion, KP_X25519.slotBytes);
    lastRegion.fill(0, 0, KP_X25519.slotBytes);
    lastRegion.set(recipientCommand(recipient));
    const chain = {
      elements: [elementAt(firstElements, index), elementAt(lastElements, index)],
      secrets: [secrets, secretsOf(lastShared, index)],
    };
    const plan = { slots: [{ bytes: slot, macAt: nextHop.length - MAC_BYTES }], lastRegion };
    const packet = target.subarray(index * geometry.packetBytes, (index + 1) * geometry.packetBytes);
    packet.set(createHeader(format, chain, plan));
    const body = packet.subarray(geometry.headerBytes).fill(0);
    writeNumber(body.subarray(PAYLOAD_TAG_BYTES), firstNumber + index);
    for (const hop of chain.secrets.toReversed()) encipher(native, hop, body);
  }
}

function encipher(native: NativeBackend, { payloadKey }: HopSecrets, body: Uint8Array): void {
  native.aezEncrypt(payloadKey.subarray(0, PAYLOAD_KEY_BYTES), payloadKey.subarray(PAYLOAD_KEY_BYTES), body);
}

function primitivesOf(native: NativeBackend): Primitives {
  return {
    x25519: native.x25519,
    hmacSha256: (key, parts) => native.hmacSha256(key, parts.length === 1 ? (parts[0] as Uint8Array) : joined(parts)),
    aes256CtrStream(key, counter, length) {
      const stream = new Uint8Array(length);
      native.aesCtr(key, counter, stream);
      return stream;
    },
    chacha20Stream: native.chacha20,
  };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function repeated(element: Uint8Array, count: number): Uint8Array {
  const bytes = new Uint8Array(count * ELEMENT_BYTES);
  for (let index = 0; index < count; index += 1) bytes.set(element, index * ELEMENT_BYTES);
  return bytes;
}

function elementAt(elements: Uint8Array, index: number): Uint8Array {
  return elements.subarray(index * ELEMENT_BYTES, (index + 1) * ELEMENT_BYTES);
}

function writeNumber(payload: Uint8Array, number: number): void {
  new DataView(payload.buffer, payload.byteOffset).setFloat64(0, number, true);
}
