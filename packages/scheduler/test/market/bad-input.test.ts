import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AuctionMechanism,
  clearBatch,
  MARKET_LIMITS,
  nextPostedPrice,
  type PurchaseKind,
  type SealedOrder,
  sellAtPostedPrices,
  slicesFor,
} from '../../src/market/index.ts';
import { RandomNumbers } from '../../src/random-numbers.ts';

const refused = { name: 'FogError', code: 'invalid-request' };
const PRICES = { onDemandMicroFog: 10, spotMicroFog: 5 };

function order(id: string, changes: Partial<SealedOrder> = {}): SealedOrder {
  const market = { tier: 'gold', region: 'eu' } as const;
  return { id, participant: `p-${id}`, side: 'bid', market, limitMicroFog: 10, slices: 1, ...changes };
}

function clear(orders: SealedOrder[], seed = 1, mechanism: AuctionMechanism = 'mcafee') {
  return clearBatch(orders, { mechanism, seed });
}

test('a batch without orders clears nothing; what is no order, side, market, mechanism or seed is refused', () => {
  assert.deepEqual(clear([]), []);
  const strange: Partial<SealedOrder>[] = [
    { id: '' },
    { participant: '' },
    { side: 'both' as 'bid' },
    { limitMicroFog: -1 },
    { limitMicroFog: 0.5 },
    { limitMicroFog: Number.NaN },
    { limitMicroFog: MARKET_LIMITS.slicePriceMicroFog + 1 },
    { slices: 0 },
    { slices: MARKET_LIMITS.batchSlices + 1 },
    { market: { tier: 'tin' as 'gold', region: 'eu' } },
    { market: { tier: 'gold', region: '' } },
  ];
  for (const changes of strange) assert.throws(() => clear([order('a'), order('b', changes)]), refused);
  for (const seed of [-1, 0.5, Number.NaN, 2 ** 32]) assert.throws(() => clear([order('a')], seed), refused);
  assert.throws(() => clear([order('a')], 1, 'first-price' as 'mcafee'), refused);
});

test('one id in two markets is one id too many', () => {
  const elsewhere = order('a', { market: { tier: 'gold', region: 'us' } });
  assert.throws(() => clear([order('a'), elsewhere]), /two orders have the id a/);
});

test('the largest amounts of money are exact', () => {
  const { slicePriceMicroFog: price, batchSlices: slices } = MARKET_LIMITS;
  const bids = [order('b', { limitMicroFog: price, slices: slices - 1 }), order('c', { limitMicroFog: price })];
  const asks = [order('s', { side: 'ask', limitMicroFog: 0, slices })];
  const [clearing] = clear([...bids, ...asks]);
  assert.equal(clearing?.surplusMicroFog, (slices - 1) * price);
  assert.ok(Number.isSafeInteger((slices - 1) * price));
  assert.equal(nextPostedPrice(price, { usedSlices: 1, offeredSlices: 1 }), price);
});

test('a posted sale of nothing, to nobody, or of a kind that there is not', () => {
  const random = new RandomNumbers(1);
  const request = { id: 'r', participant: 'p', kind: 'spot' as PurchaseKind, maximumMicroFog: 10, slices: 1 };
  const offer = { id: 'o', participant: 'q', reserveMicroFog: 0, slices: 1 };
  const none = sellAtPostedPrices(PRICES, { offers: [], requests: [] }, random);
  assert.deepEqual([none.matches, none.refused, none.nextPrices], [[], [], PRICES]);
  const { refused: unserved } = sellAtPostedPrices(PRICES, { offers: [], requests: [request] }, random);
  assert.deepEqual(unserved, [{ requestId: 'r', reason: 'no-capacity' }]);
  for (const changes of [{ kind: 'lease' as PurchaseKind }, { slices: -1 }, { maximumMicroFog: Number.NaN }]) {
    const requests = [{ ...request, ...changes }];
    assert.throws(() => sellAtPostedPrices(PRICES, { offers: [offer], requests }, random), refused);
  }
  assert.throws(
    () => sellAtPostedPrices({ ...PRICES, spotMicroFog: 0 }, { offers: [], requests: [] }, random),
    refused,
  );
});

test('as many requests and offers as a step takes are served one by one, in time that grows with their number', () => {
  const count = MARKET_LIMITS.batchSlices;
  const names = Array.from({ length: count }, (_, at) => `${at}`);
  const offers = names.map((id) => ({ id, participant: `s${id}`, reserveMicroFog: 0, slices: 1 }));
  const requests = names.map((id) => {
    return { id, participant: `b${id}`, kind: 'on-demand' as const, maximumMicroFog: 99, slices: 1 };
  });
  const startedAt = performance.now();
  const { matches } = sellAtPostedPrices(PRICES, { offers, requests }, new RandomNumbers(1));
  assert.equal(matches.length, count);
  // Going through all offers for each request takes several times as long, on any machine.
  assert.ok(performance.now() - startedAt < 1500);
});

test('a need of slices that is none, or has no end, is refused', () => {
  const need = { virtualCpus: 1, memoryBytes: 1, milliseconds: 1 };
  for (const name of ['virtualCpus', 'memoryBytes', 'milliseconds'] as const) {
    for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_VALUE]) {
      assert.throws(() => slicesFor({ ...need, [name]: value }), refused);
    }
  }
});
