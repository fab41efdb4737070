/**
 * Double auctions of one slice a participant against computed outcomes: McAfee's, and for reference those of Vickrey,
 * Clarke and Groves. Amounts are doubled, because a price may lie half way between two whole ones.
 */
import assert from 'node:assert/strict';
import { clearAuction, type Order, vickreyPrices } from '@fog/scheduler/market';
import { z } from 'zod';
import type { ConformanceArea } from './areas.ts';
import { parseShape, readJson } from './vector-shape.ts';

const SCALE = 2;

const amount = z.number().nonnegative();
const price = amount.nullable();
const caseSchema = z.strictObject({
  bids: z.array(amount),
  asks: z.array(amount),
  mcafee: z.strictObject({
    k: z.int(),
    trades: z.int(),
    buyer_price: price,
    seller_price: price,
    surplus: amount,
    gft: amount,
    efficient_gft: amount,
  }),
  vcg: z.strictObject({
    k: z.int(),
    buyer_price: price.optional(),
    seller_price: price.optional(),
    deficit: amount.optional(),
    efficient_gft: amount.optional(),
  }),
});
type AuctionCase = z.output<typeof caseSchema>;
const fileSchema = z.strictObject({ note: z.string().optional(), cases: z.array(caseSchema) });

/** Prices decide who trades; no lot is drawn twice in a case, so any order will do. */
const NO_LOTS = { shuffle: () => undefined };

export const AUCTION_AREA: ConformanceArea = {
  summary: 'double auctions of single slices: McAfee, with the prices of Vickrey, Clarke and Groves for reference',
  folder: 'vectors',
  files: (path) => /^econ\/[^/]*auction[^/]*\.json$/.test(path),
  cases: (file) => parseShape(fileSchema, readJson(file)).cases.map((data, index) => ({ name: `${index}`, data })),
  run({ data }) {
    const auction = data as AuctionCase;
    const orders = { bids: ordersOf('bid', auction.bids), asks: ordersOf('ask', auction.asks) };
    checkMcAfee(auction, orders);
    checkVickrey(auction, orders);
  },
};

function checkMcAfee({ mcafee }: AuctionCase, orders: { bids: Order[]; asks: Order[] }): void {
  const clearing = clearAuction(orders, { mechanism: 'mcafee', random: NO_LOTS });
  const limitOf = new Map([...orders.bids, ...orders.asks].map(({ id, limitMicroFog }) => [id, limitMicroFog]));
  const gain = clearing.matches.reduce(
    (sum, { bidId, askId, slices }) => sum + slices * ((limitOf.get(bidId) ?? 0) - (limitOf.get(askId) ?? 0)),
    0,
  );
  assert.deepEqual(
    {
      k: clearing.efficientSlices,
      trades: clearing.tradedSlices,
      buyer_price: clearing.buyerPriceMicroFog,
      seller_price: clearing.sellerPriceMicroFog,
      surplus: clearing.surplusMicroFog,
      gft: gain,
    },
    {
      k: mcafee.k,
      trades: mcafee.trades,
      buyer_price: scaled(mcafee.buyer_price),
      seller_price: scaled(mcafee.seller_price),
      surplus: scaled(mcafee.surplus),
      gft: scaled(mcafee.gft),
    },
  );
  assert.equal(efficientGain(orders), scaled(mcafee.efficient_gft), 'gain of the efficient trades');
}

function checkVickrey({ vcg }: AuctionCase, orders: { bids: Order[]; asks: Order[] }): void {
  const { efficientSlices, buyerPriceMicroFog, sellerPriceMicroFog, deficitMicroFog } = vickreyPrices(orders, NO_LOTS);
  assert.deepEqual(
    { k: efficientSlices, buyer: buyerPriceMicroFog, seller: sellerPriceMicroFog, deficit: deficitMicroFog },
    {
      k: vcg.k,
      buyer: scaled(vcg.buyer_price ?? null),
      seller: scaled(vcg.seller_price ?? null),
      deficit: scaled(vcg.deficit ?? 0),
    },
    'Vickrey, Clarke, Groves',
  );
}

function efficientGain({ bids, asks }: { bids: Order[]; asks: Order[] }): number {
  const highest = bids.map(({ limitMicroFog }) => limitMicroFog).sort((a, b) => b - a);
  const lowest = asks.map(({ limitMicroFog }) => limitMicroFog).sort((a, b) => a - b);
  return highest.reduce((sum, bid, index) => sum + Math.max(0, bid - (lowest[index] ?? bid)), 0);
}

function ordersOf(side: string, limits: readonly number[]): Order[] {
  return limits.map((limit, index) => ({
    id: `${side}-${String(index).padStart(6, '0')}`,
    participant: `${side}der-${index}`,
    limitMicroFog: scaled(limit),
    slices: 1,
  }));
}

function scaled(amount: number): number;
function scaled(amount: number | null): number | null;
function scaled(amount: number | null): number | null {
  return amount === null ? null : amount * SCALE;
}
