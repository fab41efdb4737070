import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RandomNumbers, seededBytes, TimerWheel } from '../../src/mixing/front.ts';

const ENTRIES = 8;

type Step = ['schedule', entry: number, delay: number] | ['cancel', entry: number] | ['advance', by: number];

/** Around the edges of the four levels, and anywhere. */
const delay = fc.oneof(
  fc.integer({ min: 0, max: 600 }),
  fc.constantFrom(255, 256, 257, 65_535, 65_536, 65_537, 2 ** 24 - 1, 2 ** 24, 2 ** 24 + 1, 2 ** 32 - 1),
  fc.nat(2 ** 31 - 1),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constant('schedule' as const), fc.nat(ENTRIES - 1), delay),
  fc.tuple(fc.constant('cancel' as const), fc.nat(ENTRIES - 1)),
  fc.tuple(fc.constant('advance' as const), fc.oneof(delay, fc.integer({ min: -5000, max: 0 }))),
);

test('timer wheel: tells what a sorted list would tell, at the same millisecond, whatever the jumps of time', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(2 ** 40), (steps, start) => {
      const wheel = new TimerWheel(ENTRIES, start);
      const model = new Map<number, number>();
      let told = start;
      let now = start;
      for (const [what, first, second = 0] of steps) {
        if (what === 'schedule') {
          wheel.schedule(first, second);
          model.set(first, told + Math.max(1, second));
        } else if (what === 'cancel') {
          assert.equal(wheel.cancel(first), model.delete(first));
        } else {
          now += first;
          const expected = [...model].filter(([, due]) => due <= now).sort(([, a], [, b]) => a - b);
          const seen: number[] = [];
          wheel.advance(now, (entry) => {
            seen.push(model.get(entry) ?? Number.NaN);
            assert.equal(wheel.tickMilliseconds, model.get(entry), 'told at its millisecond');
            model.delete(entry);
          });
          assert.deepEqual(
            seen,
            expected.map(([, due]) => due),
          );
          told = Math.max(told, now);
        }
        assert.equal(wheel.size, model.size);
        for (let entry = 0; entry < ENTRIES; entry += 1) assert.equal(wheel.isScheduled(entry), model.has(entry));
      }
    }),
    { numRuns: 500 },
  );
});

test('timer wheel: what is scheduled while telling is told in the same call if it is due', () => {
  const wheel = new TimerWheel(2, 0);
  const told: number[] = [];
  wheel.schedule(0, 10);
  wheel.advance(1000, (entry) => {
    told.push(wheel.tickMilliseconds);
    if (told.length < 5) wheel.schedule(entry, 100);
  });
  assert.deepEqual(told, [10, 110, 210, 310, 410]);
});

test('timer wheel: what is cancelled while telling is not told', () => {
  const wheel = new TimerWheel(3, 0);
  for (const entry of [0, 1, 2]) wheel.schedule(entry, 5);
  const told: number[] = [];
  wheel.advance(5, (entry) => {
    told.push(entry);
    for (const other of [0, 1, 2]) wheel.cancel(other);
  });
  assert.equal(told.length, 1);
  assert.equal(wheel.size, 0);
});

test('timer wheel: what is left when telling fails is told the next time', () => {
  const wheel = new TimerWheel(3, 0);
  for (const entry of [0, 1, 2]) wheel.schedule(entry, 5);
  const told: number[] = [];
  const fail = (entry: number) => {
    told.push(entry);
    throw new Error('no');
  };
  assert.throws(() => wheel.advance(9, fail));
  wheel.advance(9, (entry) => told.push(entry));
  assert.deepEqual(told.sort(), [0, 1, 2]);
});

test('timer wheel: fractions of milliseconds are rounded to the nearest, and never told before their tick', () => {
  const wheel = new TimerWheel(2, 10.9);
  wheel.scheduleAt(0, 14.4);
  wheel.scheduleAt(1, 14.6);
  const told: [number, number][] = [];
  for (let now = 11; now < 17; now += 0.25) wheel.advance(now, (entry) => told.push([entry, now]));
  assert.deepEqual(told, [
    [0, 14],
    [1, 15],
  ]);
});

test('timer wheel: a hundred thousand entries over an hour', () => {
  const random = new RandomNumbers(seededBytes(2));
  const amount = 100_000;
  const wheel = new TimerWheel(amount, 0);
  const due = Array.from({ length: amount }, () => 1 + random.below(3_600_000));
  due.forEach((at, entry) => void wheel.scheduleAt(entry, at));
  let told = 0;
  for (let now = 0; now <= 3_600_000; now += 1 + random.below(5000)) {
    wheel.advance(now, (entry) => {
      assert.equal(due[entry], wheel.tickMilliseconds);
      told += 1;
    });
  }
  wheel.advance(3_600_000, () => {
    told += 1;
  });
  assert.equal(told, amount);
});

test('timer wheel: what it cannot hold is refused, and changes nothing', () => {
  const wheel = new TimerWheel(1, 0);
  wheel.schedule(0, 5);
  for (const entry of [-1, 1, 0.5]) assert.throws(() => wheel.schedule(entry, 1), RangeError);
  for (const time of [2 ** 32, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => wheel.schedule(0, time), RangeError);
  for (const entry of [-1, 1, 5000]) assert.equal(wheel.cancel(entry), false);
  wheel.advance(Number.NaN, () => assert.fail('no time, no news'));
  let told = 0;
  wheel.advance(5, () => {
    told += 1;
  });
  assert.equal(told, 1);
});
