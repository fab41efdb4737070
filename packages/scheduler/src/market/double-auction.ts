/**
 * Sealed-bid double auctions. With b1 >= b2 >= ... the bids and s1 <= s2 <= ... the asks, k is the largest number with
 * bk >= sk: that many trades gain the most that can be gained.
 *
 * - `mcafee` (McAfee, "A dominant strategy double auction", 1992): when p = (b(k+1) + s(k+1)) / 2 lies from sk to bk, all
 *   k trade at p. Otherwise the k-th pair sets the prices and does not trade: buyers pay bk, sellers get sk, and the
 *   difference is left over. It loses at most the least valuable trade, at most 1/k of the gain.
 * - `sbba` (Segal-Halevi, Hassidim, Aumann, "SBBA: a Strongly-Budget-Balanced Double-Auction Mechanism",
 *   arXiv 1607.05139): one price, min(bk, s(k+1)), and nothing is left over. Set by s(k+1), all k trade. Set by bk, that
 *   buyer does not trade, and neither does one of the k sellers, drawn by lot.
 *
 * In both nobody whose price is taken trades, so to tell the truth is the best that a participant with one slice can do.
 * Of a participant with several slices that is not true: one of its orders can better the price of another. `isTruthful`
 * says which of the two a batch was.
 *
 * Money is not held here: a match says who owes what.
 */
import { FogError } from '@fog/contract';
import type { RandomNumbers } from '../random-numbers.ts';
import { type Order, openBook, type RejectedOrder, type SealedOrders, type SliceOrder } from './orders.ts';

export const AUCTION_MECHANISMS = ['mcafee', 'sbba'] as const;
export type AuctionMechanism = (typeof AUCTION_MECHANISMS)[number];

export interface AuctionMatch {
  bidId: string;
  askId: string;
  buyer: string;
  seller: string;
  slices: number;
  /** Of one slice. */
  buyerPriceMicroFog: number;
  /** Of one slice; never more than the buyer's. */
  sellerPriceMicroFog: number;
}

export interface Clearing {
  matches: AuctionMatch[];
  rejected: RejectedOrder[];
  /** k: the slices that the most valuable set of trades would move. */
  efficientSlices: number;
  tradedSlices: number;
  /** Of one slice; null when nothing was traded. */
  buyerPriceMicroFog: number | null;
  sellerPriceMicroFog: number | null;
  /** What buyers pay and sellers do not get, in all. For the treasury. */
  surplusMicroFog: number;
  /** Honesty was the best for everybody: each participant had one order of one slice. */
  isTruthful: boolean;
}

interface Trade {
  bids: readonly SliceOrder[];
  asks: readonly SliceOrder[];
  buyerPrice: number;
  sellerPrice: number;
}

/**
 * Clears one batch of one market. The same orders, in whatever order, and the same random numbers give the same answer.
 * Throws `invalid-request` for malformed orders, see `openBook`, and for a mechanism that there is not.
 */
export function clearAuction(
  orders: SealedOrders,
  { mechanism, random }: { mechanism: AuctionMechanism; random: Pick<RandomNumbers, 'shuffle'> },
): Clearing {
  if (!AUCTION_MECHANISMS.includes(mechanism)) {
    throw new FogError('invalid-request', `there is no auction "${mechanism}"`, {
      hint: `the auctions are ${AUCTION_MECHANISMS.join(' and ')}`,
    });
  }
  const { bids, asks, rejected, isSingleSlice } = openBook(orders, random);
  const efficientSlices = efficientTrades(bids, asks);
  const trade = efficientSlices === 0 ? null : MECHANISMS[mechanism](bids, asks, efficientSlices);
  const tradedSlices = trade?.bids.length ?? 0;
  const isTrade = trade !== null && tradedSlices > 0;
  return {
    matches: isTrade ? pair(trade) : [],
    rejected,
    efficientSlices,
    tradedSlices,
    buyerPriceMicroFog: isTrade ? trade.buyerPrice : null,
    sellerPriceMicroFog: isTrade ? trade.sellerPrice : null,
    surplusMicroFog: isTrade ? tradedSlices * (trade.buyerPrice - trade.sellerPrice) : 0,
    isTruthful: isSingleSlice,
  };
}

/** The largest k with bk >= sk. */
function efficientTrades(bids: readonly SliceOrder[], asks: readonly SliceOrder[]): number {
  const most = Math.min(bids.length, asks.length);
  let count = 0;
  while (count < most && limitAt(bids, count) >= limitAt(asks, count)) count += 1;
  return count;
}

const MECHANISMS: Record<AuctionMechanism, (bids: SliceOrder[], asks: SliceOrder[], efficient: number) => Trade> = {
  mcafee(bids, asks, efficient) {
    const [lastBid, lastAsk] = [limitAt(bids, efficient - 1), limitAt(asks, efficient - 1)];
    if (efficient < bids.length && efficient < asks.length) {
      // Half a micro-FOG falls to the buyer. Any price that only orders outside of the trades decide will do.
      const price = Math.floor((limitAt(bids, efficient) + limitAt(asks, efficient)) / 2);
      if (price >= lastAsk && price <= lastBid) {
        const [buyers, sellers] = [bids.slice(0, efficient), asks.slice(0, efficient)];
        return { bids: buyers, asks: sellers, buyerPrice: price, sellerPrice: price };
      }
    }
    const [buyers, sellers] = [bids.slice(0, efficient - 1), asks.slice(0, efficient - 1)];
    return { bids: buyers, asks: sellers, buyerPrice: lastBid, sellerPrice: lastAsk };
  },

  sbba(bids, asks, efficient) {
    const lastBid = limitAt(bids, efficient - 1);
    const sellers = asks.slice(0, efficient);
    if (efficient < asks.length && limitAt(asks, efficient) <= lastBid) {
      const price = limitAt(asks, efficient);
      return { bids: bids.slice(0, efficient), asks: sellers, buyerPrice: price, sellerPrice: price };
    }
    const drawn = sellers.reduce((last, seller) => (seller.lot > last.lot ? seller : last));
    return {
      bids: bids.slice(0, efficient - 1),
      asks: sellers.filter((seller) => seller !== drawn),
      buyerPrice: lastBid,
      sellerPrice: lastBid,
    };
  },
};

function limitAt(orders: readonly SliceOrder[], index: number): number {
  return (orders[index] as SliceOrder).limitMicroFog;
}

/** Who trades with whom decides nothing about money, so slices of equal orders are put together. */
function pair({ bids, asks, buyerPrice, sellerPrice }: Trade): AuctionMatch[] {
  const buying = inRuns(bids);
  const selling = inRuns(asks);
  const matches: AuctionMatch[] = [];
  for (let [buyer, seller] = [0, 0]; buyer < buying.length && seller < selling.length; ) {
    const [bid, ask] = [buying[buyer] as Run, selling[seller] as Run];
    const slices = Math.min(bid.slices, ask.slices);
    matches.push({
      bidId: bid.order.id,
      askId: ask.order.id,
      buyer: bid.order.participant,
      seller: ask.order.participant,
      slices,
      buyerPriceMicroFog: buyerPrice,
      sellerPriceMicroFog: sellerPrice,
    });
    bid.slices -= slices;
    ask.slices -= slices;
    if (bid.slices === 0) buyer += 1;
    if (ask.slices === 0) seller += 1;
  }
  return matches;
}

interface Run {
  order: Order;
  slices: number;
}

function inRuns(slices: readonly SliceOrder[]): Run[] {
  const runs = new Map<string, Run>();
  for (const { order } of slices) {
    const run = runs.get(order.id);
    if (run === undefined) runs.set(order.id, { order, slices: 1 });
    else run.slices += 1;
  }
  return [...runs.values()];
}

export interface VickreyPrices {
  efficientSlices: number;
  buyerPriceMicroFog: number | null;
  sellerPriceMicroFog: number | null;
  /** What sellers get beyond what buyers pay: nobody would have it to give. */
  deficitMicroFog: number;
}

/**
 * For reference only: what Vickrey, Clarke and Groves would charge. All k trade and honesty is best, but somebody would
 * have to pay the deficit, so no batch is cleared by it. Throws as `openBook` does.
 */
export function vickreyPrices(orders: SealedOrders, random: Pick<RandomNumbers, 'shuffle'>): VickreyPrices {
  const { bids, asks } = openBook(orders, random);
  const efficientSlices = efficientTrades(bids, asks);
  if (efficientSlices === 0) {
    return { efficientSlices, buyerPriceMicroFog: null, sellerPriceMicroFog: null, deficitMicroFog: 0 };
  }
  const next = (side: readonly SliceOrder[], otherwise: number) => side[efficientSlices]?.limitMicroFog ?? otherwise;
  const [lastBid, lastAsk] = [limitAt(bids, efficientSlices - 1), limitAt(asks, efficientSlices - 1)];
  const buyerPriceMicroFog = Math.max(lastAsk, next(bids, lastAsk));
  const sellerPriceMicroFog = Math.min(lastBid, next(asks, lastBid));
  const deficitMicroFog = efficientSlices * (sellerPriceMicroFog - buyerPriceMicroFog);
  return { efficientSlices, buyerPriceMicroFog, sellerPriceMicroFog, deficitMicroFog };
}
