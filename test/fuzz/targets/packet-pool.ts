/** Packets from which the inputs of `unwrap` are made, with all that is known of them beforehand. */
import { createHmac } from 'node:crypto';
import {
  type Commands,
  type Geometry,
  type HopSecrets,
  KP_X25519,
  OUTCOME_STATUS,
  type Primitives,
  REPLAY_TAG_BYTES,
  readCommands,
} from '@fog/sphinx';
import {
  ELEMENT_AT,
  honestPacket,
  type PacketMaker,
  packetOfSlot,
  pathsThrough,
  randomSlot,
} from '../../../packages/sphinx/test/damaged-packets.ts';
import { seededStream } from '../../../packages/sphinx/test/native-tiers.ts';
import type { TestNode } from '../../../packages/sphinx/test/small-network.ts';
import type { FuzzRandom } from '../fuzz-random.ts';

const ELEMENT_BYTES = 32;
const MAC_BYTES = 32;
const SLOT_BYTES = KP_X25519.slotBytes;

export interface PooledPacket {
  packet: Uint8Array;
  /** What the node is told by its slot. */
  commands: Commands | null;
  status: number;
  /** Whether the node finds a zero tag in front of the payload when it takes its layer off. */
  hasPayload: boolean;
  payload: Uint8Array;
  replayTag: Uint8Array;
  secrets: HopSecrets;
  /** Key stream of the routing information. */
  keyStream: Uint8Array;
}

/** What a node with these commands does with a packet. */
export function statusOf(commands: Commands | null, hasPayload: boolean): number {
  if (commands === null) return OUTCOME_STATUS.malformed;
  if (commands.nextHop !== null) return OUTCOME_STATUS.forward;
  if (commands.replyId !== null) return OUTCOME_STATUS.reply;
  return hasPayload ? OUTCOME_STATUS.deliver : OUTCOME_STATUS.badPayload;
}

export class PacketPool {
  readonly geometry: Geometry;
  readonly node: TestNode;
  readonly tagKey: Uint8Array;
  readonly packets: readonly PooledPacket[];
  readonly #primitives: Primitives;

  constructor(choice: { geometry: Geometry; seed: number; size: number; primitives: Primitives; random: FuzzRandom }) {
    const { geometry, seed, size, primitives, random } = choice;
    const maker: PacketMaker = { geometry, paths: pathsThrough(seed), primitives };
    this.geometry = geometry;
    this.node = maker.paths[0][0];
    this.tagKey = seededStream(seed)(32);
    this.#primitives = primitives;
    this.packets = Array.from({ length: size }, (_, index) => {
      if (index % 4 === 3) return this.#known(packetOfSlot(maker, randomSlot(random.bytes), random.bytes));
      const { packet, path, payload, isReply } = honestPacket(maker, index, random.bytes);
      return this.#known(packet, path.length === 1 && !isReply ? payload : undefined);
    });
  }

  /**
   * Replaces the slot in a packet that was copied from `from`, and makes the MAC right again: what somebody can send
   * who knows the node's key, as everybody does. Answers the commands that the node will find.
   */
  writeSlot(packet: Uint8Array, from: PooledPacket, slot: Uint8Array): Commands | null {
    const { headerBytes } = this.geometry;
    const routingAt = ELEMENT_AT + ELEMENT_BYTES;
    for (let at = 0; at < SLOT_BYTES; at += 1) {
      packet[routingAt + at] = (slot[at] as number) ^ (from.keyStream[at] as number);
    }
    packet.set(from.secrets.mac([packet.subarray(0, headerBytes - MAC_BYTES)]), headerBytes - MAC_BYTES);
    return readCommands(slot);
  }

  #known(packet: Uint8Array, payload?: Uint8Array): PooledPacket {
    const element = packet.subarray(ELEMENT_AT, ELEMENT_AT + ELEMENT_BYTES);
    const shared = this.#primitives.x25519(this.node.privateKey, element);
    const secrets = KP_X25519.hop(this.#primitives, element, shared);
    const keyStream = secrets.stream(this.geometry.routingBytes + SLOT_BYTES);
    const routing = packet.subarray(ELEMENT_AT + ELEMENT_BYTES);
    const slot = Uint8Array.from(
      { length: SLOT_BYTES },
      (_, at) => (routing[at] as number) ^ (keyStream[at] as number),
    );
    const commands = readCommands(slot);
    const hasPayload = payload !== undefined;
    return {
      packet,
      commands,
      status: statusOf(commands, hasPayload),
      hasPayload,
      payload: payload ?? new Uint8Array(0),
      replayTag: createHmac('sha256', this.tagKey).update(shared).digest().subarray(0, REPLAY_TAG_BYTES),
      secrets,
      keyStream,
    };
  }
}
