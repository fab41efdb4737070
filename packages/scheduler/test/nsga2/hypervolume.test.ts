import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  exclusiveContribution,
  exclusiveContributions,
  generationalDistance,
  hypervolume,
  invertedGenerationalDistancePlus,
  leastContributor,
} from '../../src/nsga2/index.ts';
import { naiveHypervolume } from './naive.ts';

const grids = fc.integer({ min: 1, max: 6 }).chain((dimensions) => {
  const most = dimensions < 4 ? 8 : 4;
  const point = fc.array(fc.integer({ min: 0, max: most }), { minLength: dimensions, maxLength: dimensions });
  return fc.record({
    points: fc.array(point, { minLength: 1, maxLength: 12 }),
    reference: fc.constant(Array.from({ length: dimensions }, () => most)),
  });
});

test('the hypervolume is that of the cubes that are dominated', () => {
  fc.assert(
    fc.property(grids, ({ points, reference }) => {
      assert.equal(hypervolume(points.flat(), points.length, reference), naiveHypervolume(points, reference));
    }),
    { numRuns: 250 },
  );
});

test('an exclusive contribution is what is lost without the point, and the least contributor loses least', () => {
  fc.assert(
    fc.property(grids, ({ points, reference }) => {
      const all = naiveHypervolume(points, reference);
      const lost = points.map((_, at) => all - naiveHypervolume(points.toSpliced(at, 1), reference));
      assert.deepEqual([...exclusiveContributions(points.flat(), points.length, reference)], lost);
      assert.equal(leastContributor(points.flat(), points.length, reference), lost.indexOf(Math.min(...lost)));
    }),
    { numRuns: 100 },
  );
});

test('the exact front of ZDT1 up to (11, 11) has 120 + 2/3', () => {
  const count = 100_000;
  const points = Float64Array.from({ length: 2 * count }, (_, at) => {
    const first = Math.floor(at / 2) / (count - 1);
    return at % 2 === 0 ? first : 1 - Math.sqrt(first);
  });
  assert.ok(Math.abs(hypervolume(points, count, [11, 11]) - (120 + 2 / 3)) < 1e-4);
});

test('sets that cannot be measured are refused', () => {
  assert.equal(hypervolume([], 0, [1, 1]), 0);
  assert.equal(leastContributor([], 0, [1, 1]), -1);
  assert.throws(() => hypervolume([1, Number.NaN], 1, [2, 2]), { code: 'invalid-request' });
  assert.throws(() => hypervolume([], 5000, [1, 1, 1, 1]), { code: 'invalid-configuration' });
  assert.throws(() => exclusiveContribution([1, 1], 1, [2, 2], 1), { code: 'invalid-configuration' });
  assert.throws(() => generationalDistance([], [1, 1], 2), { code: 'invalid-request' });
  assert.throws(() => generationalDistance([1, 1, 1], [1, 1], 2), { code: 'invalid-configuration' });
});

test('a set that is better than the front is not further from it', () => {
  assert.equal(invertedGenerationalDistancePlus([0, 0], [1, 1, 2, 0.5], 2), 0);
});
