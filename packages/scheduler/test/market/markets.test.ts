import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import {
  clearBatch,
  outpricedSpot,
  type SealedOrder,
  type SliceOffer,
  type SliceRequest,
  sellAtPostedPrices,
  slicesFor,
} from '@fog/scheduler/market';
import fc from 'fast-check';
import { RandomNumbers } from '../../src/random-numbers.ts';

test('the scarcer of processors and memory decides how many slices hold a need', () => {
  const gibibyte = 2 ** 30;
  assert.equal(slicesFor({ virtualCpus: 1, memoryBytes: 2 * gibibyte, milliseconds: 300_000 }), 1);
  assert.equal(slicesFor({ virtualCpus: 0.5, memoryBytes: 5 * gibibyte, milliseconds: 300_001 }), 6);
  assert.equal(slicesFor({ virtualCpus: 4, memoryBytes: gibibyte, milliseconds: 1 }), 4);
  for (const need of [
    { virtualCpus: -1, memoryBytes: 1, milliseconds: 1 },
    { virtualCpus: 0, memoryBytes: 0, milliseconds: 1 },
    { virtualCpus: 1, memoryBytes: 1, milliseconds: 0 },
    { virtualCpus: Number.NaN, memoryBytes: 1, milliseconds: 1 },
    { virtualCpus: 1e9, memoryBytes: 1, milliseconds: 1e9 },
  ]) {
    assert.throws(() => slicesFor(need), FogError);
  }
});

test('each market of a batch is cleared by itself', () => {
  const market = (region: string) => ({ tier: 'gold' as const, region });
  const order = (id: string, side: 'bid' | 'ask', region: string, limitMicroFog: number): SealedOrder => {
    return { id, side, market: market(region), participant: id, limitMicroFog, slices: 1 };
  };
  const orders = [
    order('b1', 'bid', 'north', 10),
    order('b2', 'bid', 'north', 8),
    order('s1', 'ask', 'north', 1),
    order('s2', 'ask', 'north', 9),
    order('b3', 'bid', 'south', 100),
  ];
  const clearings = clearBatch(orders, { mechanism: 'mcafee', seed: 1 });
  assert.deepEqual(
    clearings.map((clearing) => [clearing.market.region, clearing.tradedSlices, clearing.buyerPriceMicroFog]),
    [
      ['north', 1, 8],
      ['south', 0, null],
    ],
  );
  assert.deepEqual(clearBatch(orders.toReversed(), { mechanism: 'mcafee', seed: 1 }), clearings);
  assert.throws(
    () => clearBatch([{ ...order('x', 'bid', 'north', 1), market: market('') }], { mechanism: 'sbba', seed: 1 }),
    FogError,
  );
});

const request = (id: string, kind: SliceRequest['kind'], slices: number, maximumMicroFog = 1000): SliceRequest => ({
  id,
  kind,
  slices,
  maximumMicroFog,
  participant: `buyer-${id}`,
});
const offer = (id: string, slices: number, reserveMicroFog = 0): SliceOffer => ({
  id,
  slices,
  reserveMicroFog,
  participant: `seller-${id}`,
});
const prices = { onDemandMicroFog: 80, spotMicroFog: 40 };

test('on-demand goes first, and spot gets what is left', () => {
  const sale = sellAtPostedPrices(
    prices,
    {
      offers: [offer('o', 10)],
      requests: [request('s1', 'spot', 4), request('d1', 'on-demand', 7), request('s2', 'spot', 3)],
    },
    new RandomNumbers(1),
  );
  const sold = sale.matches.map(({ requestId, slices, priceMicroFog }) => [requestId, slices, priceMicroFog]);
  assert.deepEqual(sold, [
    ['d1', 7, 80],
    ['s2', 3, 40],
  ]);
  assert.deepEqual(sale.refused, [{ requestId: 's1', reason: 'no-capacity' }]);
  assert.deepEqual(sale.nextPrices, { onDemandMicroFog: 80, spotMicroFog: 45 });
});

test('who pays too little, wants too much for its slices, or would buy from itself, is left out', () => {
  const own = { ...offer('own', 5), participant: 'buyer-d2' };
  const sale = sellAtPostedPrices(
    prices,
    {
      offers: [own, offer('dear', 5, 81)],
      requests: [request('d1', 'on-demand', 1, 79), request('d2', 'on-demand', 1)],
    },
    new RandomNumbers(1),
  );
  assert.deepEqual(sale.matches, []);
  assert.deepEqual(
    sale.refused.toSorted((a, b) => (a.requestId < b.requestId ? -1 : 1)),
    [
      { requestId: 'd1', reason: 'price-above-maximum' },
      { requestId: 'd2', reason: 'no-capacity' },
    ],
  );
});

test('no sale exceeds an offer, goes below a reserve or above a maximum; spot is never dearer than on-demand', () => {
  const offers = fc.array(fc.record({ slices: fc.integer({ min: 1, max: 9 }), reserveMicroFog: fc.nat({ max: 99 }) }), {
    maxLength: 6,
  });
  const requests = fc.array(
    fc.record({
      slices: fc.integer({ min: 1, max: 9 }),
      maximumMicroFog: fc.nat({ max: 99 }),
      kind: fc.constantFrom('spot' as const, 'on-demand' as const),
    }),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(offers, requests, fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 99 }), (...drawn) => {
      const [someOffers, someRequests, onDemandMicroFog, spotMicroFog] = drawn;
      const market = {
        offers: someOffers.map((some, index) => ({ ...offer(`o${index}`, 1), ...some })),
        requests: someRequests.map((some, index) => ({ ...request(`r${index}`, 'spot', 1), ...some })),
      };
      const sale = sellAtPostedPrices({ onDemandMicroFog, spotMicroFog }, market, new RandomNumbers(5));
      const soldBy = new Map<string, number>();
      for (const { offerId, requestId, slices, priceMicroFog } of sale.matches) {
        soldBy.set(offerId, (soldBy.get(offerId) ?? 0) + slices);
        soldBy.set(requestId, (soldBy.get(requestId) ?? 0) + slices);
        assert.ok(priceMicroFog >= (market.offers.find(({ id }) => id === offerId)?.reserveMicroFog ?? Infinity));
        assert.ok(priceMicroFog <= (market.requests.find(({ id }) => id === requestId)?.maximumMicroFog ?? -1));
      }
      for (const { id, slices } of market.offers) assert.ok((soldBy.get(id) ?? 0) <= slices);
      for (const { id, slices } of market.requests) assert.ok([undefined, slices].includes(soldBy.get(id)));
      assert.ok(sale.nextPrices.spotMicroFog <= sale.nextPrices.onDemandMicroFog);
      const served = new Set(sale.matches.map(({ requestId }) => requestId));
      assert.equal(served.size + sale.refused.length, market.requests.length);
    }),
  );
});

test('spot holdings that the price has outgrown are named', () => {
  const held = [
    { id: 'b', maximumMicroFog: 9 },
    { id: 'a', maximumMicroFog: 5 },
    { id: 'c', maximumMicroFog: 10 },
  ];
  assert.deepEqual(outpricedSpot(held, 10), ['a', 'b']);
});
