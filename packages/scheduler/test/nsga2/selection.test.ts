import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { constrainedDominates, crowdingDistances, hypervolume, Selection } from '../../src/nsga2/index.ts';
import { RandomNumbers } from '../../src/random-numbers.ts';

const individuals = fc
  .record({ dimensions: fc.integer({ min: 1, max: 4 }), count: fc.integer({ min: 1, max: 40 }) })
  .chain(({ dimensions, count }) =>
    fc.record({
      dimensions: fc.constant(dimensions),
      points: fc.array(fc.array(fc.integer({ min: 0, max: 6 }), { minLength: dimensions, maxLength: dimensions }), {
        minLength: count,
        maxLength: count,
      }),
      violations: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: count, maxLength: count }),
      keep: fc.integer({ min: 1, max: count }),
      seed: fc.nat(),
    }),
  );

for (const truncation of ['at-once', 'one-by-one'] as const) {
  test(`nobody who leaves dominates one who stays (${truncation})`, () => {
    fc.assert(
      fc.property(individuals, ({ dimensions, points, violations, keep, seed }) => {
        const selection = new Selection(points.length, 'distinct-mean', truncation);
        const flat = Float64Array.from(points.flat());
        const random = new RandomNumbers(seed);
        selection.select(flat, Float64Array.from(violations), points.length, dimensions, keep, random);
        const chosen = [...selection.chosen.subarray(0, keep)];
        assert.equal(new Set(chosen).size, keep);
        for (const [out, point] of points.entries()) {
          if (chosen.includes(out)) continue;
          for (const stays of chosen) {
            const isBetter = constrainedDominates(
              point,
              violations[out] ?? 0,
              points[stays] ?? [],
              violations[stays] ?? 0,
            );
            assert.ok(!isBetter, `${out} is better than ${stays}`);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
}

test('copies leave a front before anyone else', () => {
  const line = Array.from({ length: 20 }, (_, at) => [at, 19 - at]);
  const points = [...line, ...line.slice(3, 13), ...line.slice(5, 9)];
  for (const truncation of ['at-once', 'one-by-one'] as const) {
    const selection = new Selection(points.length, 'distinct-mean', truncation);
    const flat = Float64Array.from(points.flat());
    selection.select(flat, new Float64Array(points.length), points.length, 2, 20, new RandomNumbers(1));
    const firsts = [...selection.chosen.subarray(0, 20)].map((at) => points[at]?.[0]);
    assert.deepEqual(new Set(firsts).size, 20);
  }
});

test('leaving one by one spreads a front more evenly than cutting it at once', () => {
  const random = new RandomNumbers(3);
  const points = Float64Array.from({ length: 400 }, () => 0);
  for (let at = 0; at < 200; at += 1) {
    const angle = (random.unit() * Math.PI) / 2;
    points[2 * at] = Math.cos(angle);
    points[2 * at + 1] = Math.sin(angle);
  }
  const [evenly = 0, atOnce = 0] = (['one-by-one', 'at-once'] as const).map((truncation) => {
    const selection = new Selection(200, 'distinct-mean', truncation);
    selection.select(points, new Float64Array(200), 200, 2, 20, new RandomNumbers(1));
    const kept = [...selection.chosen.subarray(0, 20)].flatMap((at) => [...points.subarray(2 * at, 2 * at + 2)]);
    return hypervolume(kept, 20, [1.1, 1.1]);
  });
  assert.ok(evenly > atOnce, `${evenly} and ${atOnce}`);
});

test('fewer than three points are ends; an objective in which all are equal counts for nothing', () => {
  assert.deepEqual([...crowdingDistances(new Float64Array(0), 0, 2, 'sum')], []);
  assert.deepEqual([...crowdingDistances(Float64Array.of(1, 2), 1, 2, 'sum')], [Infinity]);
  assert.deepEqual([...crowdingDistances(Float64Array.of(0, 5, 1, 5, 3, 5), 3, 2, 'sum')], [Infinity, 1, Infinity]);
});
