import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TIME_BOUNDS_SECONDS, TimeHistogram } from '../../src/node/time-histogram.ts';

test('each bound counts what is not above it, and the last bucket everything', () => {
  const times = new TimeHistogram();
  for (const seconds of TIME_BOUNDS_SECONDS) times.record(seconds * 1000);
  assert.deepEqual(times.cumulative(), [...TIME_BOUNDS_SECONDS.map((_, at) => at + 1), TIME_BOUNDS_SECONDS.length]);
  times.record(-3);
  times.record(80_000);
  const counts = times.cumulative();
  assert.deepEqual([counts[0], counts.at(-2), counts.at(-1)], [2, 20, 21], 'what is below zero is zero');
  const sum = 80 + TIME_BOUNDS_SECONDS.reduce((total, seconds) => total + seconds, 0);
  assert.ok(Math.abs(times.sumSeconds - sum) < 1e-9);
  assert.equal(times.count, 21);
});

test('quantiles are exact to a thousandth, and there are none of nothing', () => {
  const times = new TimeHistogram();
  assert.deepEqual([times.quantiles(), times.percentile(50)], [null, 0]);
  for (let number = 1; number <= 1000; number += 1) times.record(number / 10);
  const { p50, p99, p999 } = times.quantiles() as { p50: number; p99: number; p999: number };
  for (const [found, wanted] of [
    [p50, 50],
    [p99, 99],
    [p999, 99.9],
  ] as const) {
    assert.ok(Math.abs(found - wanted) <= wanted / 1000, `${found} for ${wanted}`);
  }
  times.reset();
  assert.deepEqual([times.quantiles(), times.count, times.sumSeconds, times.cumulative().at(-1)], [null, 0, 0, 0]);
});
