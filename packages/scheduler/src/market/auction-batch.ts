/** One batch of sealed orders of all markets. Each market is cleared by itself and draws its own lots. */
import { FogError } from '@fog/contract';
import { RandomNumbers } from '../random-numbers.ts';
import { type AuctionMechanism, type Clearing, clearAuction } from './double-auction.ts';
import { MARKET_LIMITS } from './limits.ts';
import type { Order } from './orders.ts';
import { assertMarket, type MarketName, marketKey } from './slices.ts';

export interface SealedOrder extends Order {
  side: 'bid' | 'ask';
  market: MarketName;
}

export interface MarketClearing extends Clearing {
  market: MarketName;
}

/**
 * Clears every market that has orders, sorted by name. `seed` (32 bits) has to be unknown to participants until the
 * batch is closed; afterwards it lets anybody repeat the lots. Throws `invalid-request` for malformed or too many orders.
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
  const markets = new Map<string, { market: MarketName; bids: Order[]; asks: Order[] }>();
  for (const { market, side, ...order } of orders) {
    assertMarket(market);
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
