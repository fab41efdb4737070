import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dominates, NondominatedSorter, nondominatedRanks } from '../../src/nsga2/index.ts';
import { NSGA2_LIMITS } from '../../src/nsga2/limits.ts';
import { RandomNumbers } from '../../src/random-numbers.ts';
import { naiveRanks } from './naive.ts';

/** Whole numbers of a small range: many ties and copies. */
const pointSets = fc
  .record({ dimensions: fc.integer({ min: 1, max: 6 }), most: fc.integer({ min: 0, max: 9 }) })
  .chain(({ dimensions, most }) =>
    fc.array(fc.array(fc.integer({ min: 0, max: most }), { minLength: dimensions, maxLength: dimensions }), {
      minLength: 1,
      maxLength: 90,
    }),
  );

test('fronts are those of the definition, whatever the objectives, ties and copies', () => {
  const sorter = new NondominatedSorter();
  fc.assert(
    fc.property(pointSets, (points) => {
      const count = points.length;
      const ranks = new Int32Array(count);
      const order = new Int32Array(count);
      const fronts = sorter.rank(Float64Array.from(points.flat()), count, points[0]?.length ?? 0, ranks, order);
      assert.deepEqual([...ranks], naiveRanks(points));
      assert.equal(fronts, Math.max(...ranks) + 1);
    }),
    { numRuns: 300 },
  );
});

test('the order of the points does not change their fronts', () => {
  fc.assert(
    fc.property(pointSets, fc.nat(), (points, seed) => {
      const dimensions = points[0]?.length ?? 0;
      const places = Int32Array.from(points.keys());
      new RandomNumbers(seed).shuffle(places);
      const shuffled = [...places].map((place) => points[place] ?? []);
      const ranks = nondominatedRanks(Float64Array.from(points.flat()), points.length, dimensions);
      const others = nondominatedRanks(Float64Array.from(shuffled.flat()), points.length, dimensions);
      assert.deepEqual(
        [...others],
        [...places].map((place) => ranks[place]),
      );
    }),
    { numRuns: 100 },
  );
});

test('a set too large for the table at once has the same fronts', () => {
  const count = 12_000;
  const random = new RandomNumbers(5);
  const points = Float64Array.from({ length: 3 * count }, () => random.below(60));
  assert.ok(count * Math.ceil(count / 32) * 4 > NSGA2_LIMITS.dominanceTableBytes, 'it is worked through in parts');
  const ranks = nondominatedRanks(points, count, 3);
  // Each front is free of dominance, and each point of a later one is dominated by one of the front before.
  const fronts: Float64Array[][] = [];
  ranks.forEach((rank, at) => {
    fronts[rank] ??= [];
    fronts[rank].push(points.subarray(3 * at, 3 * at + 3));
  });
  for (const [rank, front] of fronts.entries()) {
    for (const point of front.filter((_, at) => at % 10 === 0)) {
      assert.ok(!front.some((other) => dominates(other, point)));
      if (rank > 0) assert.ok(fronts[rank - 1]?.some((other) => dominates(other, point)));
    }
  }
});

test('a chain, in which each point is a front of its own, is sorted like any other set', () => {
  const count = 3000;
  const points = Float64Array.from({ length: 3 * count }, (_, at) => count - Math.floor(at / 3));
  assert.deepEqual(
    [...nondominatedRanks(points, count, 3)],
    Array.from({ length: count }, (_, at) => count - 1 - at),
  );
});

test('an empty set has no fronts; numbers that are missing or not finite are refused', () => {
  assert.equal(nondominatedRanks(new Float64Array(0), 0, 2).length, 0);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => nondominatedRanks(Float64Array.of(1, value), 1, 2), { code: 'invalid-request' });
  }
  assert.throws(() => nondominatedRanks(Float64Array.of(1), 1, 2), { code: 'invalid-request' });
  assert.throws(() => nondominatedRanks(new Float64Array(0), 0, 17), { code: 'invalid-configuration' });
  assert.throws(() => nondominatedRanks(new Float64Array(0), NSGA2_LIMITS.points + 1, 1), {
    code: 'invalid-configuration',
  });
});
