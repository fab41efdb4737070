/** Packets of all kinds for one node, and the ways in which they go wrong: for tests, and for fuzzing. */
import {
  createHeader,
  createPacket,
  createReplyBlock,
  delayCommand,
  type Geometry,
  hopChain,
  KP_X25519,
  lastRegionBytes,
  nextHopCommand,
  type Primitives,
  packetFromReplyBlock,
  recipientCommand,
  replyCommand,
} from '@fog/sphinx';
import { SLOT_BYTES } from '../src/geometry.ts';
import { below, EDGES, LOW_ORDER } from './native-tiers.ts';
import { type TestNode, testPath } from './small-network.ts';

/** Gives as many random bytes as are asked for. */
export type Stream = (length: number) => Uint8Array;

/** Where the group element of a packet begins. */
export const ELEMENT_AT = 2;

export type Paths = readonly [[TestNode], ...TestNode[][]];

export interface PacketMaker {
  geometry: Geometry;
  /** Their first node is the same, the one that unwraps. */
  paths: Paths;
  primitives: Primitives;
}

/** Of one, two and three hops. */
export function pathsThrough(seed: number): Paths {
  return [testPath(seed, 1) as [TestNode], testPath(seed, 2), testPath(seed, 3)];
}

/** A packet whose only hop unwraps it, and whose slot says `slot`: sense or nonsense, under a right MAC. */
export function packetOfSlot({ geometry, paths, primitives }: PacketMaker, slot: Uint8Array, stream: Stream) {
  const format = { suite: KP_X25519, primitives, maxHops: geometry.hops };
  const chain = hopChain(format, stream(32), [paths[0][0].publicKey]);
  const lastRegion = stream(lastRegionBytes(format, 1));
  lastRegion.set(slot);
  return Buffer.concat([createHeader(format, chain, { slots: [], lastRegion }), stream(geometry.bodyBytes)]);
}

/** Commands of random kinds in random order, zeros or noise to the end, sometimes a byte changed. */
export function randomSlot(stream: Stream): Uint8Array {
  const makers = [
    () => nextHopCommand(stream(32), stream(32)),
    () => recipientCommand(stream(32)),
    () => replyCommand(stream(16)),
    () => delayCommand(below(stream, 1 << 20)),
    () => Uint8Array.of(below(stream, 256)),
  ];
  const commands = Array.from(
    { length: below(stream, 4) },
    () => makers[below(stream, makers.length)]?.() as Uint8Array,
  );
  const slot = below(stream, 4) === 0 ? stream(SLOT_BYTES) : new Uint8Array(SLOT_BYTES);
  slot.set(Buffer.concat(commands).subarray(0, SLOT_BYTES));
  if (below(stream, 4) === 0) slot[below(stream, SLOT_BYTES)] = below(stream, 256);
  return slot;
}

export interface HonestPacket {
  packet: Uint8Array;
  path: readonly TestNode[];
  recipient: Uint8Array;
  payload: Uint8Array;
  /** Whether it was made from a reply block. */
  isReply: boolean;
}

export function honestPacket({ geometry, paths, primitives }: PacketMaker, kind: number, stream: Stream): HonestPacket {
  const path = paths[kind % paths.length] as TestNode[];
  const [recipient, payload] = [stream(32), stream(geometry.payloadBytes)];
  const options = {
    geometry,
    path,
    recipient,
    primitives,
    random: (bytes: Uint8Array) => bytes.set(stream(bytes.length)),
  };
  if (kind % 2 === 0)
    return { packet: createPacket({ ...options, payload }), path, recipient, payload, isReply: false };
  const { block } = createReplyBlock({ ...options, replyId: stream(16) });
  const { packet } = packetFromReplyBlock(geometry, block, payload);
  return { packet, path, recipient, payload, isReply: true };
}

/** Changes a packet in place, in one of the ways in which packets go wrong; often not at all. */
export function damage(geometry: Geometry, packet: Uint8Array, stream: Stream): void {
  const flip = (from: number, to: number) => {
    const at = from + below(stream, to - from);
    packet[at] = (packet[at] as number) ^ (1 << below(stream, 8));
  };
  const kind = below(stream, 16);
  if (kind === 0) flip(0, ELEMENT_AT);
  if (kind === 1) flip(ELEMENT_AT, geometry.headerBytes);
  if (kind === 2) flip(geometry.headerBytes, geometry.packetBytes);
  if (kind === 3) packet.set(LOW_ORDER[below(stream, LOW_ORDER.length)] as Uint8Array, ELEMENT_AT);
  if (kind === 4) packet.set(EDGES[below(stream, EDGES.length)] as Uint8Array, ELEMENT_AT);
  if (kind === 5) packet[ELEMENT_AT + 31] = (packet[ELEMENT_AT + 31] as number) ^ 0x80;
  if (kind === 6) packet.set(stream(packet.length - ELEMENT_AT), ELEMENT_AT);
  if (kind === 7) packet.fill(0, ELEMENT_AT + below(stream, packet.length - ELEMENT_AT));
  if (kind === 8) {
    // As if bytes had been lost on the way: all that follows stands elsewhere.
    const from = below(stream, packet.length);
    packet.copyWithin(from, from + 1 + below(stream, 8));
  }
}
