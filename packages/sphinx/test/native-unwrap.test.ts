/**
 * Invariant: whatever a batch holds, the native backend leaves the same packets and records as the TypeScript
 * reference, in every form, at every alignment, in shared memory and in any thread.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  createHeader,
  createPacket,
  createReplyBlock,
  delayCommand,
  type Geometry,
  geometryOf,
  hopChain,
  KP_X25519,
  lastRegionBytes,
  nextHopCommand,
  nodePrimitives,
  OUTCOME_BYTES,
  OUTCOME_STATUS,
  packetFromReplyBlock,
  recipientCommand,
  replyCommand,
  SPHINX_LIMITS,
} from '@fog/sphinx';
import type { NativeBackend } from '../src/backends/native.ts';
import { createUnwrapper } from '../src/backends/unwrapper.ts';
import { SLOT_BYTES } from '../src/geometry.ts';
import {
  assertSameBytes,
  below,
  EDGES,
  FUZZ_RUNS,
  LOW_ORDER,
  opensslX25519,
  SEED,
  SKIP,
  SYMMETRIC_FORMS,
  seededStream,
  X25519_FORMS,
} from './native-tiers.ts';
import type { Work } from './native-worker.ts';
import { type TestNode, testPath } from './small-network.ts';

const ELEMENT_AT = 2;
const PRIMITIVES = nodePrimitives(opensslX25519);
/** Paths of one, two and three hops; their first is the same node, the one that unwraps. */
const PATHS = [1, 2, 3].map((hops) => testPath(SEED, hops));
const pathOf = (hops: number) => PATHS[Math.min(hops, PATHS.length) - 1] as TestNode[];
const [NODE] = pathOf(1) as [TestNode];
const TAG_KEY = seededStream(SEED)(32);
const KEYS = { privateKey: NODE.privateKey, tagKey: TAG_KEY };
const FORMS = [...X25519_FORMS, ...SYMMETRIC_FORMS.slice(1)];
const SMALL = geometryOf({ hops: 3, userPayloadBytes: 60, hasReplyBlock: false });

type Stream = (length: number) => Uint8Array;

/** A packet whose only hop is NODE, and whose slot says `slot`: sense or nonsense, under a right MAC. */
function packetOfSlot(geometry: Geometry, slot: Uint8Array, stream: Stream): Uint8Array {
  const format = { suite: KP_X25519, primitives: PRIMITIVES, maxHops: geometry.hops };
  const chain = hopChain(format, stream(32), [NODE.publicKey]);
  const lastRegion = stream(lastRegionBytes(format, 1));
  lastRegion.set(slot);
  return Buffer.concat([createHeader(format, chain, { slots: [], lastRegion }), stream(geometry.bodyBytes)]);
}

/** Commands of random kinds in random order, zeros or noise to the end, sometimes a byte changed. */
function randomSlot(stream: Stream): Uint8Array {
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

function honestPacket(geometry: Geometry, kind: number, stream: Stream): Uint8Array {
  const options = { geometry, path: pathOf(1 + (kind % PATHS.length)), recipient: stream(32), primitives: PRIMITIVES };
  const payload = stream(geometry.payloadBytes);
  const random = (bytes: Uint8Array) => bytes.set(stream(bytes.length));
  if (kind % 2 === 0) return createPacket({ ...options, payload, random });
  const { block } = createReplyBlock({ ...options, replyId: stream(16), random });
  return packetFromReplyBlock(geometry, block, payload).packet;
}

/** Changes a packet in place, in one of the ways in which packets go wrong; often not at all. */
function damage(geometry: Geometry, packet: Uint8Array, stream: Stream): void {
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
}

/** `count` packets of all kinds, one after another. */
function batchOf(geometry: Geometry, pool: readonly Uint8Array[], count: number, stream: Stream): Uint8Array {
  const packets = new Uint8Array(count * geometry.packetBytes);
  for (let index = 0; index < count; index += 1) {
    const packet = packets.subarray(index * geometry.packetBytes, (index + 1) * geometry.packetBytes);
    packet.set(pool[below(stream, pool.length)] as Uint8Array);
    damage(geometry, packet, stream);
  }
  return packets;
}

function poolOf(geometry: Geometry, stream: Stream): Uint8Array[] {
  return [
    ...Array.from({ length: 24 }, (_, kind) => honestPacket(geometry, kind, stream)),
    ...Array.from({ length: 40 }, () => packetOfSlot(geometry, randomSlot(stream), stream)),
  ];
}

function reference(geometry: Geometry, packets: Uint8Array, count: number) {
  const [expected, records] = [Uint8Array.from(packets), new Uint8Array(count * OUTCOME_BYTES)];
  using unwrapper = createUnwrapper(PRIMITIVES, { geometry, ...KEYS });
  unwrapper.unwrapBatch(expected, records, count);
  return { packets: expected, records };
}

function native(form: NativeBackend, geometry: Geometry, packets: Uint8Array, count: number) {
  const [changed, records] = [Uint8Array.from(packets), new Uint8Array(count * OUTCOME_BYTES).fill(0xaa)];
  using unwrapper = form.createUnwrapper({ geometry, ...KEYS });
  unwrapper.unwrapBatch(changed, records, count);
  return { packets: changed, records };
}

/** Compares what each form does with a batch with what the reference does; returns the records. */
function assertAllAgree(geometry: Geometry, packets: Uint8Array, count: number, message: string): Uint8Array {
  const expected = reference(geometry, packets, count);
  for (const form of FORMS) {
    const found = native(form, geometry, packets, count);
    assertSameBytes(found.records, expected.records, `records, ${message}, ${form.description}`);
    assertSameBytes(found.packets, expected.packets, `packets, ${message}, ${form.description}`);
  }
  return expected.records;
}

/** Slots that make sense, or nearly: each set of commands with one byte behind its end, at each place in turn. */
function slotsWithRest(stream: Stream): Uint8Array[] {
  const [next, recipient, reply] = [
    nextHopCommand(stream(32), stream(32)),
    recipientCommand(stream(32)),
    replyCommand(stream(16)),
  ];
  const delay = delayCommand(70_000);
  const sets = [
    [next],
    [next, delay],
    [delay, next],
    [recipient],
    [recipient, reply],
    [reply, recipient],
    [reply],
    [next, reply],
    [delay],
    [next, recipient],
    [recipient, recipient],
    [delay, recipient, delay],
    [recipient, reply, reply],
    [],
  ];
  return sets.flatMap((commands) => {
    const bytes = Buffer.concat(commands).subarray(0, SLOT_BYTES);
    const places = Array.from({ length: SLOT_BYTES - bytes.length }, (_, rest) => bytes.length + rest);
    return [null, ...places].map((place) => {
      const slot = new Uint8Array(SLOT_BYTES);
      slot.set(bytes);
      if (place !== null) slot[place] = 1 + below(stream, 255);
      return slot;
    });
  });
}

describe(`the native unwrapper (seed ${SEED})`, { skip: SKIP }, () => {
  it('does what the reference does with packets of every kind, whole and damaged', () => {
    const stream = seededStream(SEED + 100);
    const pool = poolOf(SMALL, stream);
    const seen = new Set<number>();
    // A fifth of the runs of a primitive, since each is some fifty of their inputs.
    for (let run = 0; run < FUZZ_RUNS / 5; run += SPHINX_LIMITS.batchPackets) {
      const packets = batchOf(SMALL, pool, SPHINX_LIMITS.batchPackets, stream);
      const records = assertAllAgree(SMALL, packets, SPHINX_LIMITS.batchPackets, `run ${run}`);
      for (let at = 0; at < records.length; at += OUTCOME_BYTES) seen.add(records[at] as number);
      pool[below(stream, pool.length)] = packetOfSlot(SMALL, randomSlot(stream), stream);
    }
    assert.deepEqual([...seen].sort(), Object.values(OUTCOME_STATUS).sort(), 'every outcome was seen');
  });

  it('reads commands as the reference does, up to the last byte of a slot', () => {
    const stream = seededStream(SEED + 105);
    const packets = slotsWithRest(stream).map((slot) => packetOfSlot(SMALL, slot, stream));
    for (let from = 0; from < packets.length; from += SPHINX_LIMITS.batchPackets) {
      const batch = packets.slice(from, from + SPHINX_LIMITS.batchPackets);
      assertAllAgree(SMALL, Buffer.concat(batch), batch.length, `slots from ${from}`);
    }
  });

  it('does what the reference does for all geometries', () => {
    const stream = seededStream(SEED + 101);
    const payloads = [1, 15, 16, 17, 200, 2_000];
    for (const hops of [1, 2, 5, SPHINX_LIMITS.hops]) {
      for (const userPayloadBytes of payloads) {
        const geometry = geometryOf({ hops, userPayloadBytes, hasReplyBlock: hops === 5 });
        const payload = stream(geometry.payloadBytes);
        const options = { geometry, path: pathOf(hops), recipient: stream(32), primitives: PRIMITIVES };
        const packet = createPacket({ ...options, payload });
        assertAllAgree(geometry, packet, 1, `${hops} hops, ${userPayloadBytes} bytes`);
      }
    }
  });

  it('takes batches of any size, at any alignment', () => {
    const stream = seededStream(SEED + 102);
    const pool = poolOf(SMALL, stream);
    const most = SPHINX_LIMITS.batchPackets;
    const packets = batchOf(SMALL, pool, most, stream);
    const expected = reference(SMALL, packets, most);
    for (const form of FORMS) {
      using unwrapper = form.createUnwrapper({ geometry: SMALL, ...KEYS });
      for (let count = 0; count <= most; count += 1) {
        const [offset, end] = [count % 17, count * SMALL.packetBytes];
        const memory = new Uint8Array(offset + packets.length);
        memory.set(packets, offset);
        const records = new Uint8Array(offset + most * OUTCOME_BYTES);
        unwrapper.unwrapBatch(memory.subarray(offset), records.subarray(offset), count);
        const message = `${count} packets, ${form.description}`;
        assertSameBytes(memory.subarray(offset, offset + end), expected.packets.subarray(0, end), message);
        assertSameBytes(memory.subarray(offset + end), packets.subarray(end), `behind ${message}`);
        const written = records.subarray(offset, offset + count * OUTCOME_BYTES);
        assertSameBytes(written, expected.records.subarray(0, written.length), `records of ${message}`);
        assert.ok(records.subarray(offset + written.length).every((byte) => byte === 0));
      }
    }
  });

  it('works in shared memory and in several threads at once', async () => {
    const stream = seededStream(SEED + 103);
    const [count, rounds] = [16, 20];
    const packets = batchOf(SMALL, poolOf(SMALL, stream), count, stream);
    const expected = reference(SMALL, packets, count);
    const works = Array.from({ length: 3 }, (): Work => {
      const shared = new SharedArrayBuffer(rounds * packets.length);
      for (let round = 0; round < rounds; round += 1) new Uint8Array(shared).set(packets, round * packets.length);
      const outcomes = new SharedArrayBuffer(rounds * count * OUTCOME_BYTES);
      return { geometry: SMALL, ...KEYS, packets: shared, outcomes, count, rounds };
    });
    const workers = works.map(
      (workerData) => new Worker(new URL('./native-worker.ts', import.meta.url), { workerData }),
    );
    await Promise.all(workers.map((worker) => once(worker, 'exit')));
    for (const work of works) {
      for (let round = 0; round < rounds; round += 1) {
        const found = new Uint8Array(work.packets, round * packets.length, packets.length);
        assertSameBytes(found, expected.packets, `round ${round}`);
        const records = new Uint8Array(work.outcomes, round * expected.records.length, expected.records.length);
        assertSameBytes(records, expected.records, `records of round ${round}`);
      }
    }
  });

  it('refuses what does not fit, wrong keys, and work after its keys are wiped', () => {
    for (const form of FORMS) {
      const create = (change: object) => form.createUnwrapper({ geometry: SMALL, ...KEYS, ...change });
      assert.throws(() => create({ privateKey: new Uint8Array(31) }), TypeError);
      assert.throws(() => create({ tagKey: new Uint8Array(33) }), TypeError);
      assert.throws(() => create({ geometry: { ...SMALL, hops: 17 } }), TypeError);
      assert.throws(() => create({ geometry: { ...SMALL, bodyBytes: 31 } }), TypeError);
      const unwrapper = create({});
      const [packet, record] = [new Uint8Array(SMALL.packetBytes), new Uint8Array(OUTCOME_BYTES)];
      assert.throws(() => unwrapper.unwrapBatch(packet.subarray(1), record, 1), TypeError);
      assert.throws(() => unwrapper.unwrapBatch(packet, record.subarray(1), 1), TypeError);
      for (const count of [2, -1, 1.5, 65]) {
        assert.throws(() => unwrapper.unwrapBatch(packet, record, count), TypeError);
      }
      unwrapper[Symbol.dispose]();
      assert.throws(() => unwrapper.unwrapBatch(packet, record, 1), /the keys of this unwrapper are wiped/);
      unwrapper[Symbol.dispose]();
    }
  });

  it('keeps keys of its own: what the caller does with his changes nothing', () => {
    const [form] = FORMS as [NativeBackend];
    const privateKey = Uint8Array.from(KEYS.privateKey);
    using unwrapper = form.createUnwrapper({ geometry: SMALL, privateKey, tagKey: TAG_KEY });
    privateKey.fill(0);
    const packet = honestPacket(SMALL, 0, seededStream(SEED + 104));
    const record = new Uint8Array(OUTCOME_BYTES);
    unwrapper.unwrapBatch(packet, record, 1);
    assert.equal(record[0], OUTCOME_STATUS.deliver);
  });
});
