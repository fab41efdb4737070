import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import fc from 'fast-check';
import { PrefixLimits, TokenBucket } from '../../src/mixing/front.ts';

const rule = { tokensPerSecond: 10, burstTokens: 5 };

test('prefix limits: while there are places, each prefix has a bucket of its own', () => {
  const ask = fc.tuple(fc.nat(4), fc.nat(300), fc.integer({ min: 1, max: 4 }));
  fc.assert(
    fc.property(fc.array(ask, { maxLength: 80 }), (asks) => {
      const limits = new PrefixLimits({ rule, capacity: 5 });
      const models = new Map<number, TokenBucket>();
      let now = 0;
      for (const [prefix, gap, tokens] of asks) {
        now += gap;
        const model = models.get(prefix) ?? new TokenBucket(rule, now);
        models.set(prefix, model);
        assert.equal(limits.take(`p${prefix}`, now, tokens), model.take(now, tokens));
      }
      assert.equal(limits.size, models.size);
    }),
  );
});

test('prefix limits: however many prefixes come, all together get no more than the places do', () => {
  const ask = fc.tuple(fc.nat(30), fc.nat(40), fc.integer({ min: 1, max: 4 }));
  fc.assert(
    fc.property(fc.array(ask, { maxLength: 300 }), fc.integer({ min: 1, max: 6 }), (asks, capacity) => {
      const limits = new PrefixLimits({ rule, capacity });
      let now = 0;
      let taken = 0;
      for (const [prefix, gap, tokens] of asks) {
        now += gap;
        if (limits.take(`p${prefix}`, now, tokens)) taken += tokens;
        assert.ok(limits.size <= capacity);
        assert.ok(taken <= capacity * (rule.burstTokens + (rule.tokensPerSecond * now) / 1000));
      }
    }),
  );
});

test('prefix limits: to be forgotten is no free pass', () => {
  const limits = new PrefixLimits({ rule, capacity: 2 });
  assert.ok(limits.take('a', 0, 5));
  assert.ok(limits.take('b', 0, 5));
  // c takes the place of a, with an empty bucket; then a that of b.
  assert.ok(!limits.take('c', 0));
  assert.ok(!limits.take('a', 0));
  assert.ok(!limits.take('b', 0));
  assert.equal(limits.takenOverEarly, 3);
});

test('prefix limits: the one that was idle longest makes room, and one that keeps asking stays', () => {
  const limits = new PrefixLimits({ rule, capacity: 2 });
  limits.take('busy', 0, 5);
  limits.take('idle', 0, 1);
  for (let now = 1; now <= 1000; now += 1) limits.take('busy', now, 5);
  assert.ok(limits.take('newcomer', 1000, 5), 'the bucket of the idle one was full again');
  assert.equal(limits.takenOverEarly, 0);
  assert.ok(!limits.take('busy', 1000, 5), 'it was not forgotten');
});

test('prefix limits: numbers out of bounds are refused', () => {
  for (const capacity of [0, 2 ** 21, 1.5]) assert.throws(() => new PrefixLimits({ rule, capacity }), FogError);
});
