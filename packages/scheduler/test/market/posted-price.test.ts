import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import { MARKET_LIMITS, nextPostedPrice } from '@fog/scheduler/market';
import fc from 'fast-check';

const price = fc.integer({ min: 1, max: MARKET_LIMITS.slicePriceMicroFog });
const utilisation = fc.record({ usedSlices: fc.nat({ max: 2000 }), offeredSlices: fc.integer({ min: 1, max: 1000 }) });

test('a step is at least one unit, at most an eighth, and toward the target', () => {
  fc.assert(
    fc.property(price, utilisation, (priceMicroFog, step) => {
      const next = nextPostedPrice(priceMicroFog, step);
      const used = Math.min(step.usedSlices, step.offeredSlices) * 10;
      assert.ok(Number.isSafeInteger(next) && next >= 1);
      assert.ok(Math.abs(next - priceMicroFog) <= Math.max(1, Math.floor(priceMicroFog / 8)));
      if (used === step.offeredSlices * 7) assert.equal(next, priceMicroFog);
      else if (used > step.offeredSlices * 7) {
        assert.ok(next > priceMicroFog || next === MARKET_LIMITS.slicePriceMicroFog);
      } else assert.ok(next < priceMicroFog || next === 1);
    }),
  );
});

test('a larger distance never moves the price less', () => {
  fc.assert(
    fc.property(price, fc.nat({ max: 1000 }), fc.nat({ max: 1000 }), (priceMicroFog, one, other) => {
      const at = (usedSlices: number) => nextPostedPrice(priceMicroFog, { usedSlices, offeredSlices: 1000 });
      assert.ok(at(Math.min(one, other)) <= at(Math.max(one, other)));
    }),
  );
});

test('full and empty markets move by 12.5 percent', () => {
  assert.equal(nextPostedPrice(8000, { usedSlices: 10, offeredSlices: 10 }), 9000);
  assert.equal(nextPostedPrice(8000, { usedSlices: 50, offeredSlices: 10 }), 9000);
  assert.equal(nextPostedPrice(8000, { usedSlices: 0, offeredSlices: 10 }), 7000);
  assert.equal(nextPostedPrice(8000, { usedSlices: 7, offeredSlices: 10 }), 8000);
});

test('small prices move by one, and none falls below one', () => {
  assert.equal(nextPostedPrice(3, { usedSlices: 10, offeredSlices: 10 }), 4);
  assert.equal(nextPostedPrice(3, { usedSlices: 0, offeredSlices: 10 }), 2);
  assert.equal(nextPostedPrice(1, { usedSlices: 0, offeredSlices: 10 }), 1);
});

test('a market without offers rises when somebody asks, and stays when nobody does', () => {
  assert.equal(nextPostedPrice(800, { usedSlices: 4, offeredSlices: 0 }), 900);
  assert.equal(nextPostedPrice(800, { usedSlices: 0, offeredSlices: 0 }), 800);
});

test('the price settles where demand is 70 percent of what is offered', () => {
  // Demand falls with the price: 70 of 100 slices at 5,000.
  const demand = (priceMicroFog: number) => Math.floor(350_000 / priceMicroFog);
  let current = 100;
  for (let step = 0; step < 200; step += 1) {
    current = nextPostedPrice(current, { usedSlices: demand(current), offeredSlices: 100 });
  }
  assert.ok(current > 4800 && current < 5200, `${current}`);
});

test('what is no price or amount is refused', () => {
  const bad: [number, { usedSlices: number; offeredSlices: number }][] = [
    [0, { usedSlices: 1, offeredSlices: 1 }],
    [1.5, { usedSlices: 1, offeredSlices: 1 }],
    [2 ** 40, { usedSlices: 1, offeredSlices: 1 }],
    [10, { usedSlices: -1, offeredSlices: 1 }],
    [10, { usedSlices: 1, offeredSlices: Number.NaN }],
  ];
  for (const [priceMicroFog, step] of bad) {
    assert.throws(() => nextPostedPrice(priceMicroFog, step), FogError);
  }
});
