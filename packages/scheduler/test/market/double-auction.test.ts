import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import {
  AUCTION_MECHANISMS,
  type AuctionMechanism,
  type Clearing,
  clearAuction,
  type Order,
} from '@fog/scheduler/market';
import fc from 'fast-check';
import { RandomNumbers } from '../../src/random-numbers.ts';

interface Values {
  bids: number[];
  asks: number[];
}

/** Small amounts, so that ties are common. */
const values = fc.record({
  bids: fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 8 }),
  asks: fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 8 }),
});
const seeds = fc.integer({ min: 0, max: 0xffff_ffff });
const mechanisms = fc.constantFrom(...AUCTION_MECHANISMS);

function ordersOf({ bids, asks }: Values): { bids: Order[]; asks: Order[] } {
  const order = (side: string) => (limitMicroFog: number, index: number) => ({
    id: `${side}${index}`,
    participant: `${side}-holder-${index}`,
    limitMicroFog,
    slices: 1,
  });
  return { bids: bids.map(order('b')), asks: asks.map(order('a')) };
}

function clear(of: Values, mechanism: AuctionMechanism, seed: number): Clearing {
  return clearAuction(ordersOf(of), { mechanism, random: new RandomNumbers(seed) });
}

/** What a participant gains by a clearing when its slice is worth this much to it. */
function gainOf({ matches }: Clearing, id: string, value: number): number {
  const match = matches.find(({ bidId, askId }) => bidId === id || askId === id);
  if (match === undefined) return 0;
  return match.bidId === id ? value - match.buyerPriceMicroFog : match.sellerPriceMicroFog - value;
}

test('individual rationality: nobody pays more than it bid or gets less than it asked', () => {
  fc.assert(
    fc.property(values, mechanisms, seeds, (of, mechanism, seed) => {
      const clearing = clear(of, mechanism, seed);
      of.bids.forEach((bid, index) => {
        assert.ok(gainOf(clearing, `b${index}`, bid) >= 0);
      });
      of.asks.forEach((ask, index) => {
        assert.ok(gainOf(clearing, `a${index}`, ask) >= 0);
      });
    }),
  );
});

test('budget balance: McAfee runs no deficit, and of SBBA nothing is left over', () => {
  fc.assert(
    fc.property(values, seeds, (of, seed) => {
      const mcafee = clear(of, 'mcafee', seed);
      assert.ok(mcafee.surplusMicroFog >= 0);
      const paid = mcafee.matches.reduce((sum, match) => sum + match.slices * match.buyerPriceMicroFog, 0);
      const got = mcafee.matches.reduce((sum, match) => sum + match.slices * match.sellerPriceMicroFog, 0);
      assert.equal(paid - got, mcafee.surplusMicroFog);
      const sbba = clear(of, 'sbba', seed);
      assert.equal(sbba.surplusMicroFog, 0);
      assert.ok(sbba.matches.every((match) => match.buyerPriceMicroFog === match.sellerPriceMicroFog));
    }),
  );
});

test('efficiency: at most one trade is lost, and it is the least valuable one', () => {
  fc.assert(
    fc.property(values, mechanisms, seeds, (of, mechanism, seed) => {
      const { efficientSlices, tradedSlices } = clear(of, mechanism, seed);
      assert.ok(tradedSlices === efficientSlices || tradedSlices === efficientSlices - 1);
    }),
  );
});

test('truthfulness: no lie about one slice gains anything, whatever the lots', () => {
  fc.assert(
    fc.property(
      fc.record({
        bids: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 5 }),
        asks: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 5 }),
      }),
      mechanisms,
      seeds,
      (of, mechanism, seed) => {
        const honest = clear(of, mechanism, seed);
        assert.equal(honest.isTruthful, true);
        for (const side of ['bids', 'asks'] as const) {
          of[side].forEach((value, index) => {
            const id = `${side[0]}${index}`;
            for (let lie = 0; lie <= 13; lie += 1) {
              const lying = clear({ ...of, [side]: of[side].with(index, lie) }, mechanism, seed);
              assert.ok(gainOf(lying, id, value) <= gainOf(honest, id, value), `${id} gains by saying ${lie}`);
            }
          });
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('truthfulness of SBBA holds in expectation over the lottery', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 3 }),
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 3 }),
      (bids, asks) => {
        const expected = (of: Values, id: string, value: number) => {
          let sum = 0;
          for (let lots = 0; lots < 36; lots += 1) {
            const random = { shuffle: everyOrder(lots) };
            sum += gainOf(clearAuction(ordersOf(of), { mechanism: 'sbba', random }), id, value);
          }
          return sum;
        };
        asks.forEach((value, index) => {
          const honest = expected({ bids, asks }, `a${index}`, value);
          for (let lie = 0; lie <= 10; lie += 1) {
            assert.ok(expected({ bids, asks: asks.with(index, lie) }, `a${index}`, value) <= honest);
          }
        });
      },
    ),
    { numRuns: 30 },
  );
});

/** The call of each side gets one of the six orders of three lots: 36 pairs of orders in all. */
function everyOrder(lots: number): RandomNumbers['shuffle'] {
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  let call = 0;
  return (entries) => {
    const chosen = orders[call === 0 ? lots % 6 : Math.floor(lots / 6)] as number[];
    call += 1;
    for (let index = 0; index < entries.length; index += 1) entries[index] = chosen[index] as number;
  };
}

test('the order in which orders come decides nothing', () => {
  fc.assert(
    fc.property(values, mechanisms, seeds, seeds, (of, mechanism, seed, order) => {
      const { bids, asks } = ordersOf(of);
      const random = () => new RandomNumbers(seed);
      const shuffled = <Item>(items: readonly Item[]): Item[] => {
        const places = Uint32Array.from(items.keys());
        new RandomNumbers(order).shuffle(places);
        return Array.from(places, (place) => items[place] as Item);
      };
      const given = clearAuction({ bids, asks }, { mechanism, random: random() });
      for (const other of [
        { bids: shuffled(bids), asks: shuffled(asks) },
        { bids: bids.toReversed(), asks: asks.toReversed() },
      ]) {
        assert.deepEqual(clearAuction(other, { mechanism, random: random() }), given);
      }
    }),
  );
});

const severalSlices = fc.array(
  fc.record({
    participant: fc.constantFrom('ada', 'bob', 'cid', 'dot'),
    side: fc.constantFrom('bids' as const, 'asks' as const),
    limitMicroFog: fc.integer({ min: 0, max: 12 }),
    slices: fc.integer({ min: 1, max: 4 }),
  }),
  { maxLength: 10 },
);

test('nobody trades with itself, and no order gets more slices than it wants', () => {
  fc.assert(
    fc.property(severalSlices, mechanisms, seeds, (all, mechanism, seed) => {
      const orders = all.map((order, index) => ({ ...order, id: `o${index}` }));
      const book = {
        bids: orders.filter(({ side }) => side === 'bids'),
        asks: orders.filter(({ side }) => side === 'asks'),
      };
      const { matches, rejected, tradedSlices } = clearAuction(book, { mechanism, random: new RandomNumbers(seed) });
      assert.ok(matches.every(({ buyer, seller }) => buyer !== seller));
      assert.equal(
        matches.reduce((sum, { slices }) => sum + slices, 0),
        tradedSlices,
      );
      for (const { id, slices } of orders) {
        const moved = matches.reduce(
          (sum, match) => sum + (match.bidId === id || match.askId === id ? match.slices : 0),
          0,
        );
        assert.ok(moved <= slices);
        if (rejected.some(({ orderId }) => orderId === id)) assert.equal(moved, 0);
      }
    }),
  );
});

test('orders that would trade with their own participant are rejected, both of them, and said to be', () => {
  const bids = [
    { id: 'b1', participant: 'ada', limitMicroFog: 10, slices: 1 },
    { id: 'b2', participant: 'bob', limitMicroFog: 9, slices: 1 },
  ];
  const asks = [
    { id: 's1', participant: 'ada', limitMicroFog: 3, slices: 1 },
    { id: 's2', participant: 'cid', limitMicroFog: 4, slices: 1 },
    { id: 's3', participant: 'dot', limitMicroFog: 6, slices: 1 },
  ];
  const clearing = clearAuction({ bids, asks }, { mechanism: 'sbba', random: new RandomNumbers(1) });
  assert.deepEqual(clearing.rejected, [
    { orderId: 'b1', reason: 'self-trade' },
    { orderId: 's1', reason: 'self-trade' },
  ]);
  assert.deepEqual(
    clearing.matches.map(({ bidId, askId, buyerPriceMicroFog }) => [bidId, askId, buyerPriceMicroFog]),
    [['b2', 's2', 6]],
  );
});

test('with several slices a participant, a batch is not called truthful: there, withholding a slice can pay', () => {
  // Ada wants two slices, the second for less. Her second bid sets the price of the first.
  const asks = [1, 2, 20].map((limitMicroFog, index) => ({
    id: `s${index}`,
    participant: `seller-${index}`,
    limitMicroFog,
    slices: 1,
  }));
  const first = { id: 'b1', participant: 'ada', limitMicroFog: 30, slices: 1 };
  const second = { id: 'b2', participant: 'ada', limitMicroFog: 19, slices: 1 };
  const third = { id: 'b3', participant: 'bob', limitMicroFog: 10, slices: 1 };
  const random = new RandomNumbers(3);
  const honest = clearAuction({ bids: [first, second, third], asks }, { mechanism: 'mcafee', random });
  assert.equal(honest.isTruthful, false);
  assert.deepEqual([honest.tradedSlices, honest.buyerPriceMicroFog], [2, 15]);
  const gain = (clearing: Clearing) => gainOf(clearing, 'b1', 30) + gainOf(clearing, 'b2', 19);
  const withheld = clearAuction(
    { bids: [first, { ...second, limitMicroFog: 0 }, third], asks },
    { mechanism: 'sbba', random },
  );
  const all = clearAuction({ bids: [first, second, third], asks }, { mechanism: 'sbba', random });
  assert.equal(gain(all), 30 - 19);
  assert.equal(gain(withheld), 30 - 10);
});

test('no orders, or of one side only, are no trade', () => {
  for (const mechanism of AUCTION_MECHANISMS) {
    for (const of of [
      { bids: [], asks: [] },
      { bids: [5], asks: [] },
      { bids: [], asks: [5] },
    ]) {
      const clearing = clear(of, mechanism, 1);
      assert.deepEqual([clearing.matches, clearing.buyerPriceMicroFog, clearing.surplusMicroFog], [[], null, 0]);
    }
  }
});

test('malformed orders are refused with words that name them', () => {
  const good = { id: 'b1', participant: 'ada', limitMicroFog: 5, slices: 1 };
  const bad: { bids: Order[]; says: RegExp }[] = [
    { bids: [{ ...good, limitMicroFog: 1.5 }], says: /limit of bid b1 is 1\.5/ },
    { bids: [{ ...good, limitMicroFog: -1 }], says: /limit of bid b1/ },
    { bids: [{ ...good, limitMicroFog: Number.NaN }], says: /limit of bid b1/ },
    { bids: [{ ...good, limitMicroFog: 2 ** 36 + 1 }], says: /limit of bid b1/ },
    { bids: [{ ...good, slices: 0 }], says: /slices of bid b1/ },
    { bids: [good, good], says: /two orders have the id b1/ },
    { bids: [{ ...good, participant: '' }], says: /participant of bid b1/ },
    { bids: [40_000, 40_000].map((slices, index) => ({ ...good, id: `${index}`, slices })), says: /all bids is 80000/ },
  ];
  for (const { bids, says } of bad) {
    assert.throws(
      () => clearAuction({ bids, asks: [] }, { mechanism: 'mcafee', random: new RandomNumbers(1) }),
      (error) => error instanceof FogError && error.code === 'invalid-request' && says.test(error.message),
    );
  }
});
