/**
 * One step of a market with posted prices, without an auction.
 *
 * On-demand slices are the buyer's until it gives them up. Spot slices are what on-demand leaves over: cheaper, and
 * taken back when on-demand wants the room or when the spot price rises above what their holder pays at most.
 *
 *     step: requests and offers -> on-demand is served -> spot is served from the rest -> both prices move
 *
 * The spot price follows its own utilisation and is never above the on-demand price.
 */
import { FogError } from '@fog/contract';
import type { RandomNumbers } from '../random-numbers.ts';
import { assertName, assertPrice, assertWhole } from './amounts.ts';
import { MARKET_LIMITS } from './limits.ts';
import { nextPostedPrice, POSTED_PRICE_RULE } from './posted-price.ts';

export const PURCHASE_KINDS = ['on-demand', 'spot'] as const;
export type PurchaseKind = (typeof PURCHASE_KINDS)[number];

export interface PostedPrices {
  onDemandMicroFog: number;
  spotMicroFog: number;
}

export interface SliceOffer {
  id: string;
  participant: string;
  /** The least that it takes for one slice. */
  reserveMicroFog: number;
  slices: number;
}

export interface SliceRequest {
  id: string;
  participant: string;
  kind: PurchaseKind;
  /** The most that it pays for one slice. */
  maximumMicroFog: number;
  slices: number;
}

export interface PostedMatch {
  requestId: string;
  offerId: string;
  buyer: string;
  seller: string;
  kind: PurchaseKind;
  slices: number;
  /** Of one slice: what the buyer pays and the seller gets. */
  priceMicroFog: number;
}

export const REFUSAL_REASONS = ['price-above-maximum', 'no-capacity'] as const;

export interface RefusedRequest {
  requestId: string;
  reason: (typeof REFUSAL_REASONS)[number];
}

export interface PostedSale {
  matches: PostedMatch[];
  refused: RefusedRequest[];
  nextPrices: PostedPrices;
}

/**
 * Serves a request whole or not at all, in the order of lots, which are drawn over the ids; offers with the lowest
 * reserve go first. Nobody buys from itself. The same requests and offers, in whatever order, and the same random
 * numbers give the same answer. Throws `invalid-request` for malformed or too many of them.
 */
export function sellAtPostedPrices(
  prices: PostedPrices,
  { offers, requests }: { offers: readonly SliceOffer[]; requests: readonly SliceRequest[] },
  random: Pick<RandomNumbers, 'below'>,
): PostedSale {
  assertPrice(prices.onDemandMicroFog, 'the on-demand price', POSTED_PRICE_RULE.lowestMicroFog);
  assertPrice(prices.spotMicroFog, 'the spot price', POSTED_PRICE_RULE.lowestMicroFog);
  assertParticipants(offers, 'offer', ({ reserveMicroFog }) => reserveMicroFog);
  assertParticipants(requests, 'request', ({ maximumMicroFog }) => maximumMicroFog);
  const strange = requests.find(({ kind }) => !PURCHASE_KINDS.includes(kind));
  if (strange !== undefined) {
    throw new FogError('invalid-request', `request ${strange.id} is of the kind "${strange.kind}"`, {
      hint: `the kinds are ${PURCHASE_KINDS.join(' and ')}`,
    });
  }

  const stock: Stock = {
    first: 0,
    parts: byLot(offers, random)
      .sort((a, b) => a.reserveMicroFog - b.reserveMicroFog)
      .map((offer) => ({ offer, left: offer.slices })),
  };
  const queue = byLot(requests, random);
  const matches: PostedMatch[] = [];
  const refused: RefusedRequest[] = [];
  const utilisation = (kind: PurchaseKind, priceMicroFog: number) => {
    const offeredSlices = stockAt(stock, priceMicroFog);
    let usedSlices = 0;
    for (const request of queue.filter((candidate) => candidate.kind === kind)) {
      if (request.maximumMicroFog < priceMicroFog) {
        refused.push({ requestId: request.id, reason: 'price-above-maximum' });
        continue;
      }
      usedSlices += request.slices;
      const taken = take(stock, request, priceMicroFog);
      if (taken === null) refused.push({ requestId: request.id, reason: 'no-capacity' });
      else matches.push(...taken);
    }
    return { usedSlices, offeredSlices };
  };

  const onDemandMicroFog = nextPostedPrice(prices.onDemandMicroFog, utilisation('on-demand', prices.onDemandMicroFog));
  const spotPrice = Math.min(prices.spotMicroFog, prices.onDemandMicroFog);
  const spotMicroFog = Math.min(nextPostedPrice(spotPrice, utilisation('spot', spotPrice)), onDemandMicroFog);
  return { matches, refused, nextPrices: { onDemandMicroFog, spotMicroFog } };
}

export interface HeldSpotSlices {
  id: string;
  maximumMicroFog: number;
}

/** Ids of the spot holdings that the price has outgrown, sorted. To make room for others is `chooseSpotVictims`' work. */
export function outpricedSpot(held: readonly HeldSpotSlices[], spotMicroFog: number): string[] {
  return held
    .filter(({ maximumMicroFog }) => maximumMicroFog < spotMicroFog)
    .map(({ id }) => id)
    .sort();
}

interface StockPart {
  offer: SliceOffer;
  left: number;
}

interface Stock {
  /** The lowest reserve first. */
  parts: readonly StockPart[];
  /** Of those before this one nothing is left. */
  first: number;
}

function stockAt({ parts }: Stock, priceMicroFog: number): number {
  return parts.reduce((sum, { offer, left }) => sum + (offer.reserveMicroFog <= priceMicroFog ? left : 0), 0);
}

/** Takes the slices of one request out of the stock; null, and nothing taken, when there are not enough. */
function take(stock: Stock, request: SliceRequest, priceMicroFog: number): PostedMatch[] | null {
  const parts: { from: StockPart; slices: number }[] = [];
  let missing = request.slices;
  while (stock.parts[stock.first]?.left === 0) stock.first += 1;
  for (let at = stock.first; at < stock.parts.length && missing > 0; at += 1) {
    const from = stock.parts[at] as StockPart;
    if (from.offer.reserveMicroFog > priceMicroFog) break;
    const slices = from.offer.participant === request.participant ? 0 : Math.min(from.left, missing);
    if (slices > 0) parts.push({ from, slices });
    missing -= slices;
  }
  if (missing > 0) return null;
  return parts.map(({ from, slices }) => {
    from.left -= slices;
    return {
      requestId: request.id,
      offerId: from.offer.id,
      buyer: request.participant,
      seller: from.offer.participant,
      kind: request.kind,
      slices,
      priceMicroFog,
    };
  });
}

function assertParticipants<Entry extends { id: string; participant: string; slices: number }>(
  entries: readonly Entry[],
  what: string,
  limitOf: (entry: Entry) => number,
): void {
  const ids = new Set<string>();
  let total = 0;
  for (const entry of entries) {
    assertName(entry.id, `the id of a ${what}`);
    assertName(entry.participant, `the participant of ${what} ${entry.id}`);
    assertPrice(limitOf(entry), `the limit of ${what} ${entry.id}`);
    assertWhole(entry.slices, { least: 1, most: MARKET_LIMITS.batchSlices, what: `the slices of ${what} ${entry.id}` });
    ids.add(entry.id);
    total += entry.slices;
  }
  assertWhole(total, { least: 0, most: MARKET_LIMITS.batchSlices, what: `the number of slices of all ${what}s` });
  assertWhole(entries.length - ids.size, { least: 0, most: 0, what: `the number of ${what}s with the id of another` });
}

function byLot<Entry extends { id: string }>(entries: readonly Entry[], random: Pick<RandomNumbers, 'below'>): Entry[] {
  const sorted = entries.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  for (let last = sorted.length - 1; last > 0; last -= 1) {
    const other = random.below(last + 1);
    [sorted[last], sorted[other]] = [sorted[other] as Entry, sorted[last] as Entry];
  }
  return sorted;
}
