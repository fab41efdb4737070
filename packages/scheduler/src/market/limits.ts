/** Every limit of the market, with its reason. Money is in micro-FOG. */

export const MARKET_LIMITS = {
  /** Price of one slice, some 68,000 FOG: with the next one, the money of a whole batch stays an exact number. */
  slicePriceMicroFog: 2 ** 36,
  /** Slices on one side of one market in a batch: with the price, a sum stays below 2^52. */
  batchSlices: 1 << 16,
  /** Orders of one batch, all markets together: sorted in some tens of milliseconds. */
  batchOrders: 1 << 17,
  /** Slices of one request for resources: a thousand machines of 64 processors for a day are more. */
  requestSlices: 1 << 24,
  /** Name of a region, of a participant or of an order. */
  nameBytes: 256,
} as const;
