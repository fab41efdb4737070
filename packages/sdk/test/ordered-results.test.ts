import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ItemSource } from '../src/map/item-source.ts';
import { OrderedResults } from '../src/map/ordered-results.ts';

describe('ordered results', () => {
  test('leave in the order of the items, however they arrive', async () => {
    const arrivals = fc.integer({ min: 0, max: 40 }).chain((count) => {
      const indexes = Array.from({ length: count }, (_, index) => index);
      return fc.shuffledSubarray(indexes, { minLength: count, maxLength: count });
    });
    await fc.assert(
      fc.asyncProperty(arrivals, async (order) => {
        const results = new OrderedResults(() => undefined);
        const taken: unknown[] = [];
        const taking = (async () => {
          for (let next = await results.next(); !next.done; next = await results.next()) taken.push(next.value);
        })();
        for (const index of order) {
          results.put(index, index * 10);
          await null;
        }
        results.end(order.length);
        await taking;
        assert.deepEqual(
          taken,
          order.toSorted((a, b) => a - b).map((index) => index * 10),
        );
      }),
    );
  });

  test('a failure does not wait for results before it', async () => {
    const results = new OrderedResults(() => undefined);
    results.put(1, 'b');
    const waiting = results.next();
    results.fail(new Error('over'));
    await assert.rejects(waiting, /over/);
    await assert.rejects(results.next(), /over/);
  });
});

describe('item source', () => {
  test('reads only as far ahead as there is room, and goes on when there is some', async () => {
    let room = 3;
    let produced = 0;
    const source = new ItemSource(
      (async function* () {
        for (;;) yield produced++;
      })(),
      { wake() {}, room: () => room - source.waiting },
    );
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(source.waiting, 3);
    assert.equal(source.take(), 0);
    source.resume();
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(source.waiting, 3);
    room = 0;
    source.close();
  });

  test('tells its source that nobody reads any more, and keeps its error', async () => {
    let closed = false;
    const source = new ItemSource(
      {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<IteratorResult<number>>(() => undefined),
          return: async () => {
            closed = true;
            return { done: true, value: undefined };
          },
        }),
      },
      { wake() {}, room: () => 10 },
    );
    source.close();
    assert.equal(closed, true);
    const broken = new ItemSource(
      (function* () {
        yield 1;
        throw new Error('source');
      })(),
      { wake() {}, room: () => 10 },
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(broken.ended, true);
    assert.match(String(broken.failure), /source/);
  });

  test('refuses what cannot be iterated', () => {
    assert.throws(() => new ItemSource(5 as never, { wake() {}, room: () => 1 }), /iterable/);
  });
});
