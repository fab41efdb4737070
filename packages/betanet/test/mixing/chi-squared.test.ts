import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chiSquared, chiSquaredProbability } from '../../src/mixing/front.ts';

const near = (value: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(value - expected) <= tolerance, `${value} and not ${expected}`);

test('chi-squared: probabilities of printed tables', () => {
  // What is exceeded with 0.05, 0.01 and 0.001, for 1, 2, 5, 10, 30 and 100 degrees of freedom.
  const table: [number, number, number, number][] = [
    [1, 3.841, 6.635, 10.828],
    [2, 5.991, 9.21, 13.816],
    [5, 11.07, 15.086, 20.515],
    [10, 18.307, 23.209, 29.588],
    [30, 43.773, 50.892, 59.703],
    [100, 124.342, 135.807, 149.449],
  ];
  for (const [freedom, five, one, tenth] of table) {
    near(chiSquaredProbability(five, freedom), 0.05, 1e-4);
    near(chiSquaredProbability(one, freedom), 0.01, 2e-5);
    near(chiSquaredProbability(tenth, freedom), 0.001, 2e-6);
  }
  for (const value of [0.1, 3, 40]) near(chiSquaredProbability(value, 2), Math.exp(-value / 2), 1e-12);
  assert.equal(chiSquaredProbability(0, 5), 1);
  assert.equal(chiSquaredProbability(1e9, 5), 0);
  near(chiSquaredProbability(5000, 5000), 0.497, 0.002);
});

test('chi-squared: rare cells are put together, and each count is in one', () => {
  const expected = [50, 5, 5, 2, 1, 30, 3];
  const { freedom, value, count } = chiSquared([40, 5, 5, 2, 1, 40, 3], expected);
  assert.equal(count, 96);
  // 50, 5 + 5, and the rest: no cell may be left with fewer than ten.
  assert.equal(freedom, 2);
  near(value, 100 / 50 + 0 + 100 / 36, 1e-12);
  assert.equal(chiSquared([3], [3]).probability, 1);
});
