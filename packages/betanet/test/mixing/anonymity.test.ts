import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  drawExponential,
  entropyBits,
  expectedDetectionMilliseconds,
  expectedPool,
  likelihoodDifference,
  PoissonMixPool,
  RandomNumbers,
  seededBytes,
  stealthyAttackSuccess,
} from '../../src/mixing/front.ts';

const near = (value: number, expected: number, tolerance = 1e-12) =>
  assert.ok(Math.abs(value - expected) <= tolerance, `${value} and not ${expected}`);

function oneHot(labels: number, label: number): Float64Array {
  const packet = new Float64Array(labels);
  packet[label] = 1;
  return packet;
}

test('entropy and likelihood difference by hand', () => {
  near(entropyBits(Float64Array.of(0.5, 0.25, 0.25)), 1.5);
  near(entropyBits(new Float64Array(8).fill(1 / 8)), 3);
  assert.equal(entropyBits(Float64Array.of(0, 1)), 0);
  near(likelihoodDifference(Float64Array.of(0.2, 0.1), 0, 1), Math.LN2);
  near(likelihoodDifference(Float64Array.of(0.1, 0.2), 0, 1), Math.LN2);
  assert.equal(likelihoodDifference(Float64Array.of(0.1, 0), 0, 1), Number.POSITIVE_INFINITY);
  assert.ok(Number.isNaN(likelihoodDifference(Float64Array.of(0, 0), 0, 1)));
});

test('Poisson mix: the pool gives what theorem 1 of Loopix says', () => {
  for (const [n, k, l] of [
    [5, 3, 4],
    [10, 1, 1],
    [4, 4, 0],
    [7, 2, 20],
  ] as const) {
    const pool = new PoissonMixPool(n + l);
    for (let packet = 0; packet < n; packet += 1) pool.arrive(oneHot(n + l, packet));
    const out = new Float64Array(n + l);
    for (let left = 0; left < n - k; left += 1) pool.depart(out);
    for (let packet = n; packet < n + l; packet += 1) pool.arrive(oneHot(n + l, packet));
    pool.depart(out);
    near(out[0] ?? 0, k / (n * (l + k)));
    if (l > 0) near(out[n] ?? 0, 1 / (l + k));
    assert.equal(pool.size, k + l - 1);
  }
  assert.throws(() => new PoissonMixPool(1).depart(new Float64Array(1)), RangeError);
});

test('Poisson mix: mass is conserved, and what leaves is a distribution', () => {
  const random = new RandomNumbers(seededBytes(2));
  const pool = new PoissonMixPool(4);
  const sums = [0, 0, 0, 0];
  for (let step = 0; step < 20_000; step += 1) {
    if (pool.size === 0 || random.below(2) === 0) {
      const label = random.below(4);
      sums[label] = (sums[label] ?? 0) + 1;
      pool.arrive(oneHot(4, label));
    } else {
      const out = new Float64Array(4);
      pool.depart(out);
      near(
        out.reduce((sum, mass) => sum + mass, 0),
        1,
        1e-9,
      );
      out.forEach((mass, label) => {
        sums[label] = (sums[label] ?? 0) - mass;
      });
    }
  }
  const out = new Float64Array(4);
  while (pool.size > 0) {
    pool.depart(out);
    out.forEach((mass, label) => {
      sums[label] = (sums[label] ?? 0) - mass;
    });
  }
  for (const left of sums) near(left, 0, 1e-6);
});

/** One mix of exponential delays in continuous time, each packet a label of its own: mean pool and mean entropy. */
function oneMix(packetsPerSecond: number, meanDelaySeconds: number, packets: number, seed: number) {
  const random = new RandomNumbers(seededBytes(seed));
  const arrivals: number[] = [];
  for (let at = 0; arrivals.length < packets; arrivals.push(at)) at += drawExponential(1 / packetsPerSecond, random);
  const events = arrivals
    .flatMap((at, label) => [
      { at, label, kind: 'in' },
      { at: at + drawExponential(meanDelaySeconds, random), label, kind: 'out' },
    ])
    .sort((a, b) => a.at - b.at);
  const pool = new PoissonMixPool(packets);
  const out = new Float64Array(packets);
  const [from, to] = [arrivals[Math.floor(packets / 4)] ?? 0, arrivals.at(-1) ?? 0];
  let [heldTime, entropy, measured, last] = [0, 0, 0, from];
  for (const { at, label, kind } of events) {
    if (at >= from && at <= to) {
      heldTime += pool.size * (at - last);
      last = at;
    }
    if (kind === 'in') pool.arrive(oneHot(packets, label));
    else pool.depart(out);
    if (kind === 'out' && at >= from && at <= to) {
      entropy += entropyBits(out);
      measured += 1;
    }
  }
  return { meanPool: heldTime / (last - from), meanEntropy: entropy / measured };
}

test('M/M/infinity: the mean pool is lambda / mu, and entropy grows with it', () => {
  let before = 0;
  for (const ratio of [1, 4, 16, 64]) {
    const { meanPool, meanEntropy } = oneMix(100, ratio / 100, 1500, ratio);
    near(meanPool / expectedPool(100, 10 * ratio), 1, 0.15);
    assert.ok(meanEntropy > before + 0.7, `${meanEntropy} bits at ${ratio}`);
    // An observer knows at least that the packet was inside, and no pool of n hides more than what has come so far.
    assert.ok(meanEntropy < 2.5 + Math.log2(1 + ratio));
    before = meanEntropy;
  }
});

test('(n-1) attack: by hand', () => {
  near(expectedDetectionMilliseconds({ losses: 13, loopsPerSecond: 2, returnMilliseconds: 8000 }), 14_500);
  // s = 2, mu = 2/s, lambda M = 1/s, lambda R = 10/s: 4 / 12.
  near(stealthyAttackSuccess({ oneIn: 2, meanDelayMilliseconds: 500, loopsPerSecond: 1, packetsPerSecond: 10 }), 1 / 3);
});
