import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  CONVICTION_DECAY_WHOLE,
  convictionAfter,
  convictionThreshold,
  countVote,
  EMPTY_TALLY,
  isConvinced,
} from '../../src/governance/index.ts';

describe('conviction', () => {
  const decay = fc.bigInt({ min: 0n, max: CONVICTION_DECAY_WHOLE - 1n });
  const stake = fc.bigInt({ min: 0n, max: 10n ** 24n });
  const ticks = fc.nat(100_000);
  /** x / (1 - a), rounded half up. */
  const bound = (amount: bigint, a: bigint) => {
    const rest = CONVICTION_DECAY_WHOLE - a;
    return (2n * amount * CONVICTION_DECAY_WHOLE + rest) / (2n * rest);
  };

  test('property: it is bounded by x / (1 - a), from nothing on and in any number of steps', () => {
    fc.assert(
      fc.property(stake, decay, fc.array(ticks, { minLength: 1, maxLength: 4 }), (amount, a, steps) => {
        let conviction = 0n;
        for (const passed of steps) {
          conviction = convictionAfter({ ticks: passed, before: conviction, stake: amount, decay: a });
          assert.ok(conviction <= bound(amount, a));
        }
      }),
    );
  });

  test('property: after one tick it is a y + x, rounded half up; after none what it was', () => {
    fc.assert(
      fc.property(stake, decay, stake, (amount, a, before) => {
        const exact = (2n * a * before + CONVICTION_DECAY_WHOLE) / (2n * CONVICTION_DECAY_WHOLE) + amount;
        const actual = convictionAfter({ ticks: 1, before, stake: amount, decay: a });
        assert.ok(actual - exact <= 1n && exact - actual <= 1n);
        assert.equal(convictionAfter({ ticks: 0, before, stake: amount, decay: a }), before);
      }),
    );
  });

  test('halves are rounded up', () => {
    const half = CONVICTION_DECAY_WHOLE / 2n;
    assert.equal(convictionAfter({ ticks: 1, before: 1n, stake: 0n, decay: half }), 1n);
    assert.equal(convictionAfter({ ticks: 2, before: 1n, stake: 0n, decay: half }), 0n);
  });

  test('out of range', () => {
    const step = { ticks: 1, before: 0n, stake: 1n, decay: 9_000_000n };
    for (const wrong of [
      { ticks: -1 },
      { ticks: 0.5 },
      { ticks: 2 ** 41 },
      { stake: -1n },
      { before: 1n << 128n },
      { decay: CONVICTION_DECAY_WHOLE },
    ]) {
      assert.throws(() => convictionAfter({ ...step, ...wrong }), { code: 'invalid-request' });
    }
    const share = { numerator: 1n, denominator: 2n };
    const asked = { requested: 1n, funds: 4n, supply: 10n, active: 0n, decay: share, mostShare: share, weight: share };
    assert.deepEqual(convictionThreshold({ ...asked, requested: 2n }), null);
    assert.throws(() => convictionThreshold({ ...asked, decay: { numerator: 1n, denominator: 1n } }), {
      code: 'invalid-request',
    });
    assert.throws(() => convictionThreshold({ ...asked, weight: { numerator: 3n, denominator: 2n } }), {
      code: 'invalid-request',
    });
    // A fifth of 10, by 1/2, over (1/2)(1/4)^2.
    const threshold = convictionThreshold(asked);
    assert.deepEqual(
      [isConvinced(31n, threshold), isConvinced(32n, threshold), isConvinced(32n, null)],
      [false, true, false],
    );
  });
});

test('property: fractional votes never spend more than the weight, and a nominal one spends the rest', () => {
  const part = fc.bigInt({ min: 0n, max: 40n });
  const vote = fc.oneof(
    fc.constantFrom('for' as const, 'against' as const, 'abstain' as const),
    fc.record({ for: part, against: part, abstain: part }),
  );
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 100n }), fc.array(vote), (weightMicroFog, votes) => {
      let counted = { tally: EMPTY_TALLY, usedMicroFog: 0n };
      for (const one of votes) {
        const { usedMicroFog } = counted;
        try {
          counted = countVote(counted.tally, one, { weightMicroFog, usedMicroFog });
          if (typeof one === 'string') assert.equal(counted.usedMicroFog, weightMicroFog);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'conflict');
        }
        const { tally } = counted;
        assert.equal(tally.for + tally.against + tally.abstain, counted.usedMicroFog);
        assert.ok(counted.usedMicroFog <= weightMicroFog);
      }
    }),
  );
});
