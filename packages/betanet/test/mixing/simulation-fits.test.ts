import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DelayCounts,
  drawDelayMilliseconds,
  drawExponential,
  GapCounts,
  RandomNumbers,
  seededBytes,
} from '../../src/mixing/front.ts';

const seeded = (seed: number) => new RandomNumbers(seededBytes(seed));
const distribution = { meanMilliseconds: 50, capMilliseconds: 1000 };

test('drawn delays fit their distribution, and those of another mean do not', () => {
  const fit = (meanMilliseconds: number) => {
    const counts = new DelayCounts(distribution);
    const random = seeded(3);
    for (let draw = 0; draw < 50_000; draw += 1) {
      counts.add(drawDelayMilliseconds({ ...distribution, meanMilliseconds }, random));
    }
    return counts.fit();
  };
  assert.ok((fit(50)?.probability ?? 0) > 0.001);
  assert.ok((fit(55)?.probability ?? 1) < 0.001);
  assert.equal(new DelayCounts(distribution).fit(), null, 'too few to tell');
});

/** Gaps of 400 clients, each of which is watched for a few gaps only. */
function gapsOf(draw: (mean: number, random: RandomNumbers) => number, watchedMilliseconds = 10_000) {
  const rates = { payload: 1, loop: 0.5, drop: 0 };
  const counts = new GapCounts(rates, 400, watchedMilliseconds);
  const random = seeded(4);
  for (let client = 0; client < 400; client += 1) {
    for (const stream of ['payload', 'loop'] as const) {
      for (let at = draw(1000 / rates[stream], random); at <= watchedMilliseconds; ) {
        counts.slot(client, stream, at);
        at += draw(1000 / rates[stream], random);
      }
    }
  }
  return counts.fits();
}

test('gaps of Poisson streams are exponential however short the watch was; those of other streams are not', () => {
  const { payload, loop, drop } = gapsOf(drawExponential);
  assert.ok(payload && loop && payload.count > 2000 && loop.count > 500);
  assert.ok(payload.probability > 0.001 && loop.probability > 0.001, JSON.stringify([payload, loop]));
  assert.equal(drop, null, 'a stream that sends nothing');
  const regular = gapsOf((mean, random) => mean * (0.5 + random.uniform()));
  assert.ok(regular.payload && regular.payload.probability < 1e-6);
});
