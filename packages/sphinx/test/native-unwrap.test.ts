/**
 * Invariant: whatever a batch holds, the native backend leaves the same packets and records as the TypeScript
 * reference, in every form, at every alignment, in shared memory and in any thread.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  createPacket,
  delayCommand,
  type Geometry,
  geometryOf,
  nextHopCommand,
  nodePrimitives,
  OUTCOME_BYTES,
  OUTCOME_STATUS,
  recipientCommand,
  replyCommand,
  SPHINX_LIMITS,
} from '@fog/sphinx';
import type { NativeBackend } from '../src/backends/native.ts';
import { createUnwrapper } from '../src/backends/unwrapper.ts';
import { SLOT_BYTES } from '../src/geometry.ts';
import { damage, honestPacket, packetOfSlot, pathsThrough, randomSlot, type Stream } from './damaged-packets.ts';
import {
  assertSameBytes,
  below,
  FUZZ_RUNS,
  opensslX25519,
  SEED,
  SKIP,
  SYMMETRIC_FORMS,
  seededStream,
  X25519_FORMS,
} from './native-tiers.ts';
import type { Work } from './native-worker.ts';
import type { TestNode } from './small-network.ts';

const PRIMITIVES = nodePrimitives(opensslX25519);
const PATHS = pathsThrough(SEED);
const [NODE] = PATHS[0];
const TAG_KEY = seededStream(SEED)(32);
const KEYS = { privateKey: NODE.privateKey, tagKey: TAG_KEY };
const FORMS = [...X25519_FORMS, ...SYMMETRIC_FORMS.slice(1)];
const SMALL = geometryOf({ hops: 3, userPayloadBytes: 60, hasReplyBlock: false });
const SMALL_MAKER = { geometry: SMALL, paths: PATHS, primitives: PRIMITIVES };

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
  const maker = { geometry, paths: PATHS, primitives: PRIMITIVES };
  return [
    ...Array.from({ length: 24 }, (_, kind) => honestPacket(maker, kind, stream).packet),
    ...Array.from({ length: 40 }, () => packetOfSlot(maker, randomSlot(stream), stream)),
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
      pool[below(stream, pool.length)] = packetOfSlot(SMALL_MAKER, randomSlot(stream), stream);
    }
    assert.deepEqual([...seen].sort(), Object.values(OUTCOME_STATUS).sort(), 'every outcome was seen');
  });

  it('reads commands as the reference does, up to the last byte of a slot', () => {
    const stream = seededStream(SEED + 105);
    const packets = slotsWithRest(stream).map((slot) => packetOfSlot(SMALL_MAKER, slot, stream));
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
        const options = {
          geometry,
          path: PATHS[Math.min(hops, PATHS.length) - 1] as TestNode[],
          recipient: stream(32),
          primitives: PRIMITIVES,
        };
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
    const packet = honestPacket(SMALL_MAKER, 0, seededStream(SEED + 104)).packet;
    const record = new Uint8Array(OUTCOME_BYTES);
    unwrapper.unwrapBatch(packet, record, 1);
    assert.equal(record[0], OUTCOME_STATUS.deliver);
  });
});
