/**
 * @fog/scheduler/market: what a slice of the fog costs, and who sells it to whom. Pure: batches, prices and seeds come
 * in, matches with prices go out. Holding and paying money is not done here.
 *
 * Posted prices are the default (`sellAtPostedPrices`, `nextPostedPrice`); a market may be cleared by sealed bids instead
 * (`clearBatch`). Of several slices a participant, neither mechanism makes honesty the best: see `double-auction.ts`.
 */
export { clearBatch, type MarketClearing, ORDER_SIDES, type OrderSide, type SealedOrder } from './auction-batch.ts';
export {
  AUCTION_MECHANISMS,
  type AuctionMatch,
  type AuctionMechanism,
  type Clearing,
  clearAuction,
  type VickreyPrices,
  vickreyPrices,
} from './double-auction.ts';
export { MARKET_LIMITS } from './limits.ts';
export type { Order, RejectedOrder, SealedOrders } from './orders.ts';
export { nextPostedPrice, POSTED_PRICE_RULE, type UtilisationOfStep } from './posted-price.ts';
export {
  type HeldSpotSlices,
  outpricedSpot,
  type PostedMatch,
  type PostedPrices,
  type PostedSale,
  PURCHASE_KINDS,
  type PurchaseKind,
  REFUSAL_REASONS,
  type RefusedRequest,
  type SliceOffer,
  type SliceRequest,
  sellAtPostedPrices,
} from './posted-sale.ts';
export {
  MARKET_TIERS,
  type MarketName,
  type MarketTier,
  marketKey,
  type SliceNeed,
  STANDARD_SLICE,
  slicesFor,
} from './slices.ts';
