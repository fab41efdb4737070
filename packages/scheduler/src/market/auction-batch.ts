/** One batch of sealed orders of all markets. Each market is cleared by itself and draws its own lots. */
import { FogError } from '@fog/contract';
import { RandomNumbers } from '../random-numbers.ts';
import { assertWhole } from './amounts.ts';
import { type AuctionMechanism, type Clearing, clearAuction } from './double-auction.ts';
import { MARKET_LIMITS } from './limits.ts';
import type { Order } from './orders.ts';
import { assertMarket, type MarketName, marketKey } from './slices.ts';

export const ORDER_SIDES = ['bid', 'ask'] as const;
export type OrderSide = (typeof ORDER_SIDES)[number];

export interface SealedOrder extends Order {
  side: OrderSide;
  market: MarketName;
}

export interface MarketClearing extends Clearing {
  market: MarketName;
}

/**
 * Clears every market that has orders, sorted by name. `seed` (32 bits) has to be unknown to participants until the
 * batch is closed; afterwards it lets anybody repeat the lots. Throws `invalid-request` for malformed or too many orders,
 * for an id that is there twice, and for a mechanism or seed that there is not.
 */
export function clearBatch(
  orders: readonly SealedOrder[],
  { mechanism, seed }: { mechanism: AuctionMechanism; seed: number },
): MarketClearing[] {
  if (orders.length > MARKET_LIMITS.batchOrders) {
    throw new FogError('invalid-request', `${orders.length} orders; a batch takes ${MARKET_LIMITS.batchOrders}`, {
      hint: 'close batches more often',
    });
  }
  assertWhole(seed, { least: 0, most: 2 ** 32 - 1, what: 'the seed of the lots' });
  const ids = new Set<string>();
  const markets = new Map<string, { market: MarketName; bids: Order[]; asks: Order[] }>();
  for (const order of orders) {
    const { market, side } = order;
    assertMarket(market);
    if (!ORDER_SIDES.includes(side)) {
      throw new FogError('invalid-request', `order ${order.id} is on the side "${side}"`, {
        hint: `the sides are ${ORDER_SIDES.join(' and ')}`,
      });
    }
    if (ids.has(order.id)) {
      throw new FogError('invalid-request', `two orders have the id ${order.id}`, {
        hint: 'give each order its own id',
      });
    }
    ids.add(order.id);
    const key = marketKey(market);
    const book = markets.get(key) ?? { market, bids: [], asks: [] };
    markets.set(key, book);
    if (side === 'bid') book.bids.push(order);
    else book.asks.push(order);
  }
  const sorted = [...markets].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([, { market, bids, asks }], stream) => {
    const random = new RandomNumbers(seed, stream);
    return { market, ...clearAuction({ bids, asks }, { mechanism, random }) };
  });
}
