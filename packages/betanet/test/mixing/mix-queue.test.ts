import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import fc from 'fast-check';
import {
  chiSquared,
  DropCounters,
  MixQueue,
  type MixQueueOptions,
  PacketPool,
  RandomNumbers,
  randomDrop,
  seededBytes,
} from '../../src/mixing/front.ts';

const PACKET_BYTES = 4;

function makeQueue(changes: Partial<MixQueueOptions> = {}) {
  const drops = new DropCounters();
  const queue = new MixQueue({
    capacity: 8,
    packetBytes: PACKET_BYTES,
    delayCapMilliseconds: 1000,
    startMilliseconds: 0,
    random: new RandomNumbers(seededBytes(1)),
    drops,
    ...changes,
  });
  return { queue, drops };
}

function packetOf(number: number): Uint8Array {
  const packet = new Uint8Array(PACKET_BYTES);
  new DataView(packet.buffer).setUint32(0, number);
  return packet;
}

function leaving(queue: MixQueue, now: number): number[] {
  const numbers: number[] = [];
  queue.advance(now, ({ bytes, offset }) => {
    numbers.push(new DataView(bytes.buffer, bytes.byteOffset + offset).getUint32(0));
  });
  return numbers;
}

test('packet pool: a slot is one packet at a time, until it is released', () => {
  const pool = new PacketPool({ capacity: 3, packetBytes: 2, isShared: true });
  assert.ok(pool.bytes.buffer instanceof SharedArrayBuffer);
  const slots = [pool.take(), pool.take(), pool.take()];
  assert.deepEqual([...slots].sort(), [0, 1, 2]);
  assert.equal(pool.take(), -1);
  slots.forEach((slot, index) => void pool.write(slot, Uint8Array.of(index, index)));
  assert.deepEqual(
    slots.map((slot) => pool.bytes[2 * slot]),
    [0, 1, 2],
  );
  pool.release(1);
  assert.deepEqual(
    [...pool.bytes],
    slots
      .map((slot, index) => [slot, index])
      .sort(([a = 0], [b = 0]) => a - b)
      .flatMap(([slot = 0, index = 0]) => (slot === 1 ? [0, 0] : [index, index])),
    'wiped',
  );
  assert.throws(() => pool.release(1), RangeError);
  assert.equal(pool.taken, 2);
  assert.equal(pool.take(), 1);
  assert.throws(() => pool.write(0, new Uint8Array(3)), RangeError);
  assert.throws(() => new PacketPool({ capacity: 2 ** 20, packetBytes: 2 ** 20 }), FogError);
});

test('mix queue: every packet leaves once, whole, at its time, for its next hop', () => {
  const arrival = fc.record({ gap: fc.nat(20), delay: fc.nat(1200), hop: fc.nat(5), isTold: fc.boolean() });
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 60 }), fc.integer(), (arrivals, seed) => {
      const { queue, drops } = makeQueue({ capacity: 60, random: new RandomNumbers(seededBytes(seed)) });
      const due = new Map<number, { at: number; hop: number; asked: number }>();
      let now = 0;
      let told = 0;
      const advance = () => {
        queue.advance(now, (packet) => {
          const number = new DataView(packet.bytes.buffer, packet.offset).getUint32(0);
          const expected = due.get(number);
          assert.ok(expected !== undefined && expected.at <= now, 'not early, not twice');
          assert.equal(packet.nextHop, expected.hop);
          assert.equal(packet.askedMilliseconds, expected.asked);
          due.delete(number);
        });
        told = now;
        assert.ok(
          [...due.values()].every(({ at }) => at > now),
          'nothing stays behind',
        );
      };
      arrivals.forEach(({ gap, delay, hop, isTold }, number) => {
        now += gap;
        if (isTold) advance();
        const asked = Math.min(delay, 1000);
        assert.equal(queue.enqueue(packetOf(number), hop, delay, now), 'held');
        // What has been told of a millisecond is told no more.
        due.set(number, { at: Math.max(now + asked, told + 1), hop, asked });
      });
      now += 1001;
      advance();
      assert.equal(queue.held, 0);
      const { entered, left } = queue.counters();
      assert.deepEqual([entered, left], [arrivals.length, arrivals.length]);
      assert.equal(drops.count('delay-capped'), arrivals.filter(({ delay }) => delay > 1000).length);
      assert.equal(drops.count('queue-full'), 0);
    }),
  );
});

test('mix queue: memory stays bounded, and no packet is lost without being counted', () => {
  const { queue, drops } = makeQueue();
  let gone = 0;
  for (let number = 0; number < 5000; number += 1) {
    queue.enqueue(packetOf(number), 0, number % 50, number / 4);
    if (number % 3 === 0) gone += leaving(queue, number / 4).length;
    assert.ok(queue.held <= 8);
  }
  const counters = queue.counters();
  assert.equal(counters.left, gone);
  assert.equal(counters.mostHeld, 8);
  assert.equal(counters.entered, counters.left + counters.droppedHeld + queue.held);
  assert.equal(counters.entered + counters.droppedArriving, 5000);
  assert.ok(counters.droppedHeld > 0 && counters.droppedArriving > 0);
  assert.equal(drops.count('queue-full'), counters.droppedHeld + counters.droppedArriving);
});

test('random drop: of those that are held and the one that arrives, each is dropped as often as the others', () => {
  const random = new RandomNumbers(seededBytes(4));
  const rounds = 9 * 2000;
  const survived = new Array<number>(9).fill(0);
  for (let round = 0; round < rounds; round += 1) {
    const { queue } = makeQueue({ random });
    for (let number = 0; number < 9; number += 1) queue.enqueue(packetOf(number), 0, 10, 0);
    for (const number of leaving(queue, 11)) survived[number] = (survived[number] ?? 0) + 1;
  }
  const dropped = survived.map((count) => rounds - count);
  const { probability } = chiSquared(dropped, new Array<number>(9).fill(rounds / 9));
  assert.ok(probability > 0.001, dropped.join());
});

test('random drop: a flood of k packets leaves a held one with probability (C / (C + 1))^k, never for certain', () => {
  const random = new RandomNumbers(seededBytes(6));
  const capacity = 100;
  const flood = 200;
  let kept = 0;
  const rounds = 4000;
  for (let round = 0; round < rounds; round += 1) {
    let isHeld = true;
    for (let packet = 0; packet < flood; packet += 1) if (randomDrop(capacity, random) === 17) isHeld = false;
    if (isHeld) kept += 1;
  }
  const expected = (capacity / (capacity + 1)) ** flood;
  assert.ok(Math.abs(kept / rounds - expected) < 0.02, `${kept / rounds} and not ${expected}`);
});

test('mix queue: packets that leave together do so in any order', () => {
  const random = new RandomNumbers(seededBytes(8));
  const orders = new Map<string, number>();
  for (let round = 0; round < 24 * 200; round += 1) {
    const { queue } = makeQueue({ random });
    // Two in each of two milliseconds, told in one call.
    for (const [number, delay] of [
      [0, 5],
      [1, 6],
      [2, 5],
      [3, 6],
    ] as const)
      queue.enqueue(packetOf(number), 0, delay, 0);
    const order = leaving(queue, 6).join();
    orders.set(order, (orders.get(order) ?? 0) + 1);
  }
  assert.equal(orders.size, 24);
  const { value, probability } = chiSquared([...orders.values()], new Array<number>(24).fill(200));
  assert.ok(probability > 0.001, String(value));
});

test('mix queue: a delay over the cap is cut to it, and counted', () => {
  const { queue, drops } = makeQueue();
  queue.enqueue(packetOf(1), 0, 0xffff_ffff, 0);
  assert.deepEqual(leaving(queue, 999), []);
  assert.deepEqual(leaving(queue, 1000), [1]);
  assert.equal(drops.count('delay-capped'), 1);
});

test('mix queue: asked and achieved delays are kept apart', () => {
  const { queue } = makeQueue();
  queue.enqueue(packetOf(1), 0, 10, 0);
  queue.enqueue(packetOf(2), 0, 20, 0);
  leaving(queue, 12);
  leaving(queue, 25);
  const { askedMilliseconds, heldMilliseconds } = queue.counters();
  assert.deepEqual([askedMilliseconds, heldMilliseconds], [30, 37]);
});

test('mix queue: a packet may come back in while it leaves, and one that cannot be sent blocks no other', () => {
  const { queue } = makeQueue({ capacity: 2 });
  queue.enqueue(packetOf(1), 0, 1, 0);
  queue.enqueue(packetOf(2), 0, 1, 0);
  const seen: number[] = [];
  assert.throws(() => {
    queue.advance(1, ({ bytes, offset }) => {
      seen.push(bytes[offset + 3] ?? 0);
      // The queue is full of packets that are leaving: nobody but the arriving one can be given up.
      assert.equal(queue.enqueue(packetOf(9), 0, 1, 1), 'dropped');
      throw new Error('no link');
    });
  }, /no link/);
  assert.equal(queue.held, 1);
  queue.advance(1, ({ bytes, offset }) => void seen.push(bytes[offset + 3] ?? 0));
  assert.deepEqual(seen.sort(), [1, 2]);
  assert.equal(queue.held, 0);
});

test('mix queue: what does not fit is refused and takes no room', () => {
  const { queue } = makeQueue();
  assert.throws(() => queue.enqueue(new Uint8Array(5), 0, 1, 0), RangeError);
  assert.throws(() => queue.enqueue(packetOf(1), -1, 1, 0), RangeError);
  assert.throws(() => queue.enqueue(packetOf(1), 2 ** 16, 1, 0), RangeError);
  assert.throws(() => queue.enqueue(packetOf(1), 0, -1, 0), RangeError);
  assert.throws(() => queue.enqueue(packetOf(1), 0, Number.NaN, 0), RangeError);
  assert.equal(queue.held, 0);
  assert.throws(() => makeQueue({ delayCapMilliseconds: 2 ** 33 }), FogError);
});
