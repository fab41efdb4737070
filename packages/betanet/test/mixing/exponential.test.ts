import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import {
  assertDelayDistribution,
  chiSquared,
  type DelayDistribution,
  delayProbability,
  drawDelayMilliseconds,
  drawExponential,
  drawIntervalMilliseconds,
  RandomNumbers,
  seededBytes,
  truncatedMeanMilliseconds,
} from '../../src/mixing/front.ts';

const seeded = (seed: number) => new RandomNumbers(seededBytes(seed));
const DRAWS = 200_000;

const DISTRIBUTIONS: DelayDistribution[] = [
  { meanMilliseconds: 50, capMilliseconds: 1000 },
  { meanMilliseconds: 200, capMilliseconds: 500 },
  { meanMilliseconds: 3, capMilliseconds: 3 },
  { meanMilliseconds: 0.4, capMilliseconds: 10 },
];

function countDelays(distribution: DelayDistribution, seed: number): number[] {
  const random = seeded(seed);
  const seen = new Array<number>(distribution.capMilliseconds + 1).fill(0);
  for (let draw = 0; draw < DRAWS; draw += 1) {
    const delay = drawDelayMilliseconds(distribution, random);
    seen[delay] = (seen[delay] ?? 0) + 1;
  }
  return seen;
}

DISTRIBUTIONS.forEach((distribution, seed) => {
  const { meanMilliseconds, capMilliseconds } = distribution;
  test(`delays: mean ${meanMilliseconds} ms, cap ${capMilliseconds} ms: the truncated exponential in whole milliseconds`, () => {
    const seen = countDelays(distribution, seed);
    assert.equal(seen.length, capMilliseconds + 1, 'none beyond the cap');
    const expected = seen.map((_, delay) => DRAWS * delayProbability(distribution, delay));
    assert.ok(Math.abs(expected.reduce((sum, count) => sum + count, 0) / DRAWS - 1) < 1e-9);
    const fit = chiSquared(seen, expected);
    assert.ok(fit.probability > 0.001, `${fit.value}: ${fit.probability}`);
    const mean = seen.reduce((sum, count, delay) => sum + count * delay, 0) / DRAWS;
    const tolerance = Math.max(0.005 * meanMilliseconds, meanMilliseconds < 5 ? 0.2 : 0);
    assert.ok(Math.abs(mean - truncatedMeanMilliseconds(distribution)) < tolerance, String(mean));
  });
});

test('delays: the test of fit tells a clamped distribution, and another mean, from the right one', () => {
  const distribution = { meanMilliseconds: 200, capMilliseconds: 500 };
  const expected = Array.from({ length: 501 }, (_, delay) => DRAWS * delayProbability(distribution, delay));
  const random = seeded(9);
  const clamped = new Array<number>(501).fill(0);
  for (let draw = 0; draw < DRAWS; draw += 1) {
    const delay = Math.round(Math.min(500, drawExponential(200, random)));
    clamped[delay] = (clamped[delay] ?? 0) + 1;
  }
  for (const seen of [clamped, countDelays({ meanMilliseconds: 190, capMilliseconds: 500 }, 9)]) {
    const { probability } = chiSquared(seen, expected);
    assert.ok(probability < 0.001);
  }
});

test('Poisson stream: the counts of equal spans of time are Poisson', () => {
  const random = seeded(21);
  const perSpan = 4;
  const spans = 20_000;
  const counts = new Array<number>(spans).fill(0);
  for (let now = drawIntervalMilliseconds(perSpan, random); now < 1000 * spans; ) {
    const span = Math.floor(now / 1000);
    counts[span] = (counts[span] ?? 0) + 1;
    now += drawIntervalMilliseconds(perSpan, random);
  }
  const seen = new Array<number>(20).fill(0);
  for (const count of counts) seen[Math.min(count, 19)] = (seen[Math.min(count, 19)] ?? 0) + 1;
  let probability = Math.exp(-perSpan);
  const expected = seen.map((_, count) => {
    if (count > 0) probability *= perSpan / count;
    return spans * probability;
  });
  const fit = chiSquared(seen, expected);
  assert.ok(fit.probability > 0.001, String(fit.value));
  assert.equal(drawIntervalMilliseconds(0, random), Number.POSITIVE_INFINITY);
});

test('delays: a cap below the mean, and what is no number, are refused', () => {
  for (const [meanMilliseconds, capMilliseconds] of [
    [10, 9],
    [0, 10],
    [-1, 10],
    [Number.NaN, 10],
    [1, 1.5],
    [1, 2 ** 32],
  ] as const) {
    assert.throws(() => assertDelayDistribution({ meanMilliseconds, capMilliseconds }), FogError);
  }
  for (const distribution of DISTRIBUTIONS) assertDelayDistribution(distribution);
});
