/**
 * Batches of packets, most of them damaged, through every backend.
 *
 * Invariants: nothing is thrown; a header that was changed is refused as it came, without a tag; with a right MAC the
 * commands decide, whatever they are; what was not opened is not touched; nothing is written beside the batch; all
 * backends leave the same bytes; what does not fit is refused as a whole.
 */
import {
  type Commands,
  DEFAULT_GEOMETRY_CHOICE,
  geometryOf,
  loadNative,
  nodePrimitives,
  OUTCOME_BYTES,
  OUTCOME_STATUS,
  PAYLOAD_TAG_BYTES,
  SPHINX_LIMITS,
  type Unwrapper,
} from '@fog/sphinx';
import { unwrap } from '../../../packages/sphinx/src/unwrap.ts';
import { damage, ELEMENT_AT, randomSlot } from '../../../packages/sphinx/test/damaged-packets.ts';
import { EDGES, LOW_ORDER } from '../../../packages/sphinx/test/native-tiers.ts';
import { seedOf } from '../../support/seeded-random.ts';
import { FuzzRandom } from '../fuzz-random.ts';
import type { FuzzTarget, Notes } from '../fuzz-target.ts';
import { PacketPool, type PooledPacket, statusOf } from './packet-pool.ts';
import { type UnwrapWay, unwrapWays } from './unwrap-ways.ts';

const BATCH = SPHINX_LIMITS.batchPackets;
/** The last is that of the product; the others have fewer bytes to work through. */
const GEOMETRIES = [
  geometryOf({ hops: 3, userPayloadBytes: 60, hasReplyBlock: false }),
  geometryOf({ hops: 5, userPayloadBytes: 1 }),
  geometryOf({ hops: 3, userPayloadBytes: 200, hasReplyBlock: false }),
  geometryOf(DEFAULT_GEOMETRY_CHOICE),
];
/** Batches from one pool of packets, and packets in it. */
const POOL_BATCHES = 256;
const POOL_PACKETS = 48;
/** Behind the memory of a batch: must stay as it is. */
const GUARD_BYTES = 64;
const GUARD = 0xa5;
/** Every how many batches something is tried that has another length than it should have. */
const LENGTHS_EVERY = 16;
const REFUSED = [OUTCOME_STATUS.malformed, OUTCOME_STATUS.badMac, OUTCOME_STATUS.zeroSecret];
const STATUS_NAMES = new Map<number, string>(Object.entries(OUTCOME_STATUS).map(([name, status]) => [status, name]));
const NO_TAG = new Uint8Array(8);

interface ReadyWay {
  way: UnwrapWay;
  unwrapper: Unwrapper;
}

/** What is known of an input before it is unwrapped. */
interface Expected {
  from: PooledPacket;
  /** Null: the header is not authentic. */
  status: number | null;
  commands: Commands | null;
  isLowOrder: boolean;
}

export const UNWRAP: FuzzTarget = {
  summary: 'packets, whole and damaged, by every backend: all must do the same, and what a header says',
  share: loadNative().available ? 1 : 1 / 256,
  batchInputs: BATCH,
  prepare(seed) {
    const ways = unwrapWays();
    let stage: Stage | null = null;
    return (batch, random, notes) => {
      const generation = Math.floor(batch / POOL_BATCHES);
      if (stage?.generation !== generation) {
        stage?.[Symbol.dispose]();
        stage = new Stage(seed, generation, ways);
      }
      stage.run(batch, random, notes);
    };
  },
};

/** One node and a pool of packets for it, an unwrapper of each way, and the memory of a batch. */
class Stage implements Disposable {
  readonly generation: number;
  readonly #pool: PacketPool;
  readonly #ways: ReadyWay[];
  readonly #packets: Buffer;
  readonly #first: Work;
  readonly #other: Work;

  constructor(seed: number, generation: number, ways: readonly UnwrapWay[]) {
    const geometry = GEOMETRIES[generation % GEOMETRIES.length] as (typeof GEOMETRIES)[number];
    const random = new FuzzRandom();
    random.begin(seed, POOL_PACKETS, generation);
    const primitives = nodePrimitives((ways[0] as UnwrapWay).x25519);
    this.generation = generation;
    this.#pool = new PacketPool({ geometry, seed: seedOf(seed, generation), size: POOL_PACKETS, primitives, random });
    const { node, tagKey } = this.#pool;
    this.#ways = ways.map((way) => ({
      way,
      unwrapper: way.createUnwrapper({ geometry, privateKey: node.privateKey, tagKey }),
    }));
    this.#packets = Buffer.alloc(BATCH * geometry.packetBytes);
    this.#first = new Work(geometry.packetBytes);
    this.#other = new Work(geometry.packetBytes);
  }

  run(batch: number, random: FuzzRandom, notes: Notes): void {
    const expected = Array.from({ length: BATCH }, (_, index) => this.#make(index, random));
    if (batch % LENGTHS_EVERY === 0) this.#tryLengths(random, notes);
    for (const [index, { way, unwrapper }] of this.#ways.entries()) {
      if (batch % way.every !== 0) continue;
      const work = index === 0 ? this.#first : this.#other;
      work.take(this.#packets);
      unwrapper.unwrapBatch(work.packets, work.records, BATCH);
      notes.work(way.name, BATCH);
      const fault = work.guardFault();
      if (fault !== null) notes.finding(0, `${way.name} wrote beside the ${fault} of a batch`);
      if (index === 0) this.#check(expected, notes);
      else this.#compare(way.name, notes);
    }
  }

  [Symbol.dispose](): void {
    for (const { unwrapper } of this.#ways) unwrapper[Symbol.dispose]();
  }

  #packet(of: Buffer, index: number): Buffer {
    const { packetBytes } = this.#pool.geometry;
    return of.subarray(index * packetBytes, (index + 1) * packetBytes);
  }

  /** Makes the input of a place in the batch. */
  #make(index: number, random: FuzzRandom): Expected {
    const { geometry, packets } = this.#pool;
    const from = random.pick(packets);
    const packet = this.#packet(this.#packets, index);
    packet.set(from.packet);
    const kind = random.below(8);
    if (kind === 0) return this.#withOtherCommands(packet, from, random);
    if (kind === 1) packet.set(random.pick(packets).packet.subarray(geometry.headerBytes), geometry.headerBytes);
    if (kind === 2) return this.#spliced(packet, from, random);
    if (kind === 3) packet.set(random.pick(random.once(2) ? LOW_ORDER : EDGES), ELEMENT_AT);
    if (kind === 3 && random.once(2)) packet[ELEMENT_AT + 31] = (packet[ELEMENT_AT + 31] as number) ^ 0x80;
    if (kind === 4) for (let flips = random.below(4); flips >= 0; flips -= 1) random.flip(packet);
    if (kind > 4) damage(geometry, packet, random.bytes);
    return this.#known(packet, from);
  }

  /** A right MAC over commands of any kind: over the body as it was, or another. */
  #withOtherCommands(packet: Buffer, from: PooledPacket, random: FuzzRandom): Expected {
    const slot = randomSlot(random.bytes);
    if (random.once(4)) random.flip(slot);
    const commands = this.#pool.writeSlot(packet, from, slot);
    const isChanged = random.once(4);
    if (isChanged) random.flip(packet, this.#pool.geometry.headerBytes);
    return { from, status: statusOf(commands, from.hasPayload && !isChanged), commands, isLowOrder: false };
  }

  /** With a piece of another packet's header, rarely so long that the whole header is that one's. */
  #spliced(packet: Buffer, from: PooledPacket, random: FuzzRandom): Expected {
    const { headerBytes } = this.#pool.geometry;
    const other = random.pick(this.#pool.packets);
    const at = random.below(headerBytes);
    packet.set(other.packet.subarray(at, at + 1 + random.below(headerBytes - at)), at);
    const isOther = packet.compare(other.packet, 0, headerBytes, 0, headerBytes) === 0;
    return this.#known(packet, isOther ? other : from);
  }

  #known(packet: Buffer, from: PooledPacket): Expected {
    const { headerBytes } = this.#pool.geometry;
    const isHeaderWhole = packet.compare(from.packet, 0, headerBytes, 0, headerBytes) === 0;
    if (!isHeaderWhole) {
      const element = packet.subarray(ELEMENT_AT, ELEMENT_AT + 32);
      return { from, status: null, commands: null, isLowOrder: LOW_ORDER.some((point) => element.equals(point)) };
    }
    const isBodyWhole = packet.compare(from.packet, headerBytes, undefined, headerBytes) === 0;
    const status = statusOf(from.commands, from.hasPayload && isBodyWhole);
    return { from, status, commands: from.commands, isLowOrder: false };
  }

  /** What the first way has made of the batch. */
  #check(expected: readonly Expected[], notes: Notes): void {
    for (const [index, input] of expected.entries()) {
      const record = this.#first.record(index);
      const fault = this.#faultOf(index, input, record);
      notes.outcome(STATUS_NAMES.get(record[0] as number) ?? `status ${record[0]}`);
      if (fault !== null) notes.finding(index, fault);
    }
  }

  #faultOf(index: number, { from, status, commands, isLowOrder }: Expected, record: Buffer): string | null {
    const found = record[0] as number;
    const name = STATUS_NAMES.get(found) ?? `status ${found}`;
    const [before, after] = [this.#packet(this.#packets, index), this.#packet(this.#first.packets, index)];
    const { geometry } = this.#pool;
    const isUntouched = before.equals(after);
    if (status === null) {
      if (!REFUSED.some((refused) => refused === found)) return `a changed header is taken: ${name}`;
      const hasVersion = before[0] === 0 && before[1] === 0;
      if ((found === OUTCOME_STATUS.malformed) === hasVersion) return `with this version it should not be ${name}`;
      if (hasVersion && isLowOrder && found !== OUTCOME_STATUS.zeroSecret) return `a point of low order is ${name}`;
      if (!isUntouched) return `${name}, and yet the packet is changed`;
      return record.subarray(1).every((byte) => byte === 0) ? null : `${name}, and yet the record tells more`;
    }
    if (found !== status) return `it is ${name}, and should be ${STATUS_NAMES.get(status)}`;
    if (!record.subarray(8, 16).equals(from.replayTag)) return `${name} with another replay tag`;
    const isOpened = found < OUTCOME_STATUS.malformed;
    if (!isOpened) return isUntouched ? null : `${name}, and yet the packet is changed`;
    if (record.readUInt32LE(4) !== commands?.delayMilliseconds) return `${name} with another delay`;
    const id = commands.nextHop?.id ?? commands.recipient;
    if (id == null || !record.subarray(16, 48).equals(id)) return `${name} for somebody else`;
    const headerBytes = geometry.headerBytes;
    const isSameHeader = before.compare(after, 0, headerBytes, 0, headerBytes) === 0;
    if (isSameHeader === (found === OUTCOME_STATUS.forward)) return `${name} with the wrong header`;
    if (found !== OUTCOME_STATUS.deliver) return null;
    return after.subarray(headerBytes + PAYLOAD_TAG_BYTES).equals(from.payload) ? null : 'another payload is delivered';
  }

  /** Whether another way has left what the first one did. */
  #compare(name: string, notes: Notes): void {
    if (this.#other.packets.equals(this.#first.packets) && this.#other.records.equals(this.#first.records)) return;
    for (let index = 0; index < BATCH; index += 1) {
      const [record, other] = [this.#first.record(index), this.#other.record(index)];
      const isSame = this.#packet(this.#first.packets, index).equals(this.#packet(this.#other.packets, index));
      if (record.equals(other) && isSame) continue;
      const told = (of: Buffer) => STATUS_NAMES.get(of[0] as number) ?? of[0];
      notes.finding(index, `${name} says ${told(other)}, ${this.#ways[0]?.way.name} ${told(record)}, or other bytes`);
    }
  }

  /** What is too short or too long is refused by every way, and nothing happens to it. */
  #tryLengths(random: FuzzRandom, notes: Notes): void {
    const { geometry, node, tagKey } = this.#pool;
    const { way, unwrapper } = this.#ways[random.below(this.#ways.length)] as ReadyWay;
    const missing = 1 + random.below(geometry.packetBytes);
    const work = this.#other;
    work.take(this.#packets);
    const tries: [string, () => void][] = [
      ['packets', () => unwrapper.unwrapBatch(work.packets.subarray(missing), work.records, BATCH)],
      ['records', () => unwrapper.unwrapBatch(work.packets, work.records.subarray(1 + (missing % 64)), BATCH)],
      ['count', () => unwrapper.unwrapBatch(work.packets, work.records, BATCH + missing)],
    ];
    for (const [what, attempt] of tries) {
      if (isTypeError(attempt) && work.packets.equals(this.#packets)) notes.work('refused for its length', 1);
      else notes.finding(0, `${way.name} takes a batch whose ${what} cannot be right`);
    }
    const longer = Buffer.concat([this.#packet(this.#packets, 0), random.bytes(missing)]);
    const options = { geometry, privateKey: node.privateKey, tagKey, primitives: NO_PRIMITIVES };
    for (const packet of [longer, longer.subarray(0, geometry.packetBytes - missing)]) {
      const { status, replayTag } = unwrap(options, packet);
      if (status === 'malformed' && Buffer.compare(replayTag, NO_TAG) === 0) notes.work('refused for its length', 1);
      else notes.finding(0, `a packet of ${packet.length} bytes is ${status}`);
    }
  }
}

/** For packets that must be refused before anything is computed. */
const NO_PRIMITIVES = new Proxy({} as ReturnType<typeof nodePrimitives>, {
  get() {
    throw new Error('a packet of a wrong length is looked at');
  },
});

/** Memory of one batch, with guards behind it. */
class Work {
  readonly packets: Buffer;
  readonly records: Buffer;
  readonly #allPackets: Buffer;
  readonly #allRecords: Buffer;

  constructor(packetBytes: number) {
    this.#allPackets = Buffer.alloc(BATCH * packetBytes + GUARD_BYTES, GUARD);
    this.#allRecords = Buffer.alloc(BATCH * OUTCOME_BYTES + GUARD_BYTES, GUARD);
    this.packets = this.#allPackets.subarray(0, BATCH * packetBytes);
    this.records = this.#allRecords.subarray(0, BATCH * OUTCOME_BYTES);
  }

  take(packets: Buffer): void {
    this.packets.set(packets);
    this.records.fill(GUARD);
  }

  record(index: number): Buffer {
    return this.records.subarray(index * OUTCOME_BYTES, (index + 1) * OUTCOME_BYTES);
  }

  guardFault(): 'packets' | 'records' | null {
    const isWhole = (all: Buffer) => all.subarray(all.length - GUARD_BYTES).every((byte) => byte === GUARD);
    if (!isWhole(this.#allPackets)) return 'packets';
    return isWhole(this.#allRecords) ? null : 'records';
  }
}

function isTypeError(attempt: () => void): boolean {
  try {
    attempt();
    return false;
  } catch (error) {
    return error instanceof TypeError;
  }
}
