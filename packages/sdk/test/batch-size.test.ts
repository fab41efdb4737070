/** The batching as a simulation: seeded durations, slots, and a cost a batch. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BatchSizer } from '../src/map/batch-size.ts';

interface World {
  items: number[];
  slots: number;
  /** What a slot spends on a batch besides its items; half of it shows in the measurement. */
  batchCost: number;
  /** From the end of a batch to the submit of the next one. */
  roundTrip: number;
}

/** Plays the map with the rules of `MapRun` on a virtual clock. */
function simulate({ items, slots, batchCost, roundTrip }: World): { milliseconds: number; sizes: number[] } {
  const sizer = new BatchSizer();
  const freeAt = Array.from({ length: slots }, () => 0);
  let ends: { at: number; size: number; wall: number }[] = [];
  const sizes: number[] = [];
  let next = 0;
  let now = 0;
  let last = 0;
  for (;;) {
    const limit = sizer.hasMeasured ? slots * 2 : slots;
    while (ends.length < limit && next < items.length) {
      const size = Math.min(sizer.next({ slots, itemsLeft: items.length - next }), items.length - next);
      const work = items.slice(next, next + size).reduce((sum, duration) => sum + duration, 0);
      next += size;
      sizes.push(size);
      const slot = freeAt.indexOf(Math.min(...freeAt));
      const start = Math.max(now + roundTrip, freeAt[slot] as number);
      const at = start + batchCost + work;
      freeAt[slot] = at;
      ends.push({ at, size, wall: work + batchCost / 2 });
    }
    if (ends.length === 0) return { milliseconds: last, sizes };
    ends = ends.sort((left, right) => left.at - right.at);
    const ended = ends.shift() as { at: number; size: number; wall: number };
    now = ended.at;
    last = Math.max(last, now);
    sizer.measured(ended.size, ended.wall);
  }
}

function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('batch sizes', () => {
  test('the first batches have one item', () => {
    assert.equal(new BatchSizer().next({ slots: 4, itemsLeft: 1000 }), 1);
  });

  test('200 items of 50 ms over two slots: speedup of at least 1.8 at 40 ms a batch', () => {
    const items = Array.from({ length: 200 }, () => 50);
    const { milliseconds } = simulate({ items, slots: 2, batchCost: 40, roundTrip: 15 });
    assert.ok((200 * 50) / milliseconds >= 1.8, `speedup ${(10_000 / milliseconds).toFixed(2)}`);
    const dear = simulate({ items, slots: 2, batchCost: 90, roundTrip: 30 });
    assert.ok(10_000 / dear.milliseconds >= 1.6, `speedup ${(10_000 / dear.milliseconds).toFixed(2)} at 90 ms`);
  });

  test('many cheap items make few batches', () => {
    const { sizes } = simulate({
      items: Array.from({ length: 100_000 }, () => 0.01),
      slots: 4,
      batchCost: 40,
      roundTrip: 10,
    });
    assert.ok(sizes.length < 60, `${sizes.length} batches`);
  });

  test('dear items travel alone', () => {
    const { sizes } = simulate({
      items: Array.from({ length: 12 }, () => 5000),
      slots: 3,
      batchCost: 40,
      roundTrip: 10,
    });
    assert.deepEqual(new Set(sizes), new Set([1]));
  });

  test('without a known end a batch aims at its time', () => {
    const sizer = new BatchSizer();
    sizer.measured(1, 10);
    assert.equal(sizer.next({ slots: 2, itemsLeft: null }), 16, 'growth is bounded');
    sizer.measured(16, 160);
    assert.equal(sizer.next({ slots: 2, itemsLeft: null }), 100);
  });

  test('uneven items: within 1.35 of the bound that no schedule beats, for any seed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), fc.integer({ min: 1, max: 8 }), (seed, slots) => {
        const draw = random(seed);
        const items = Array.from({ length: 400 }, () => 10 + 90 * draw());
        const { milliseconds, sizes } = simulate({ items, slots, batchCost: 20, roundTrip: 10 });
        const work = items.reduce((sum, duration) => sum + duration, 0);
        assert.equal(
          sizes.reduce((sum, size) => sum + size, 0),
          items.length,
        );
        const bound = work / slots;
        assert.ok(milliseconds <= bound * 1.35 + 200, `${milliseconds} against ${bound} on ${slots} slots`);
      }),
      { numRuns: 60 },
    );
  });
});
