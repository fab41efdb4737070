import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import fc from 'fast-check';
import { type BucketRule, TokenBucket } from '../../src/mixing/front.ts';

const rule: fc.Arbitrary<BucketRule> = fc.record({
  tokensPerSecond: fc.integer({ min: 1, max: 5000 }),
  burstTokens: fc.integer({ min: 1, max: 1000 }),
});
/** Gaps of time in milliseconds, some of them backwards, and what is asked for after each. */
const asks = fc.array(fc.tuple(fc.double({ min: -50, max: 2000, noNaN: true }), fc.integer({ min: 1, max: 20 })), {
  maxLength: 100,
});

test('token bucket: never more than the burst and the rate allow, in any span of time, and a clock cannot cheat', () => {
  fc.assert(
    fc.property(rule, asks, (given, steps) => {
      const bucket = new TokenBucket(given, 0);
      let now = 0;
      let latest = 0;
      let taken = 0;
      for (const [gap, tokens] of steps) {
        now += gap;
        latest = Math.max(latest, now);
        if (bucket.take(now, tokens)) taken += tokens;
        assert.ok(taken <= given.burstTokens + (given.tokensPerSecond * latest) / 1000);
        assert.ok(bucket.available(now) <= given.burstTokens);
      }
    }),
  );
});

test('token bucket: whoever asks every millisecond gets exactly the rate', () => {
  for (const tokensPerSecond of [1, 7, 999, 1000, 1001]) {
    const bucket = new TokenBucket({ tokensPerSecond, burstTokens: 5 }, 0);
    bucket.take(0, 5);
    let taken = 0;
    for (let now = 0; now <= 10_000; now += 0.25) while (bucket.take(now)) taken += 1;
    assert.equal(taken, 10 * tokensPerSecond);
  }
});

test('token bucket: all or nothing, and a long time fills it and no more', () => {
  const bucket = new TokenBucket({ tokensPerSecond: 1, burstTokens: 10 }, 1000);
  assert.ok(!bucket.take(1000, 11));
  assert.ok(bucket.take(1000, 10));
  assert.ok(!bucket.take(1999));
  assert.ok(bucket.take(2000));
  assert.equal(bucket.available(Number.MAX_SAFE_INTEGER), 10);
  for (const tokens of [-1, Number.NaN]) assert.ok(!bucket.take(Number.MAX_SAFE_INTEGER, tokens));
  assert.equal(bucket.available(Number.NaN), 10);
  for (const wrong of [0, 0.5, 2 ** 31]) {
    assert.throws(() => new TokenBucket({ tokensPerSecond: wrong, burstTokens: 1 }, 0), FogError);
    assert.throws(() => new TokenBucket({ tokensPerSecond: 1, burstTokens: wrong }, 0), FogError);
  }
});

test('what is charged beyond what is there has to be paid before there is anything again', () => {
  const bucket = new TokenBucket({ tokensPerSecond: 10, burstTokens: 10 }, 0);
  bucket.charge(0, 25);
  assert.deepEqual([bucket.available(0), bucket.take(0)], [0, false]);
  assert.equal(bucket.available(1500), 0);
  assert.equal(bucket.available(1600), 1);
  assert.equal(bucket.available(10_000), 10);
});
