/** Sealed bids and asks: who may take part in a batch, and who stands where. */
import { FogError } from '@fog/contract';
import type { RandomNumbers } from '../random-numbers.ts';
import { assertName, assertPrice, assertWhole, isName, isWhole } from './amounts.ts';
import { MARKET_LIMITS } from './limits.ts';

export interface Order {
  /** Unique within the batch. */
  id: string;
  /** Who gains and pays. Accounts of one owner have to come as one participant. */
  participant: string;
  /** Of one slice: the most that a bid pays, the least that an ask takes. */
  limitMicroFog: number;
  slices: number;
}

export interface RejectedOrder {
  orderId: string;
  /** It could have been matched with another order of the same participant. */
  reason: 'self-trade';
}

/** One slice of an order, with its lot: the lower wins among equal prices. */
export interface SliceOrder {
  order: Order;
  limitMicroFog: number;
  lot: number;
}

export interface Book {
  /** The highest first. */
  bids: SliceOrder[];
  /** The lowest first. */
  asks: SliceOrder[];
  rejected: RejectedOrder[];
  /** Each participant wants or offers one slice: only then honesty is the best that each can do. */
  isSingleSlice: boolean;
}

export interface SealedOrders {
  bids: readonly Order[];
  asks: readonly Order[];
}

/**
 * The orders of one market, slice by slice, in an order that depends on prices and lots alone: not on who wrote first.
 * Lots are drawn over the ids before anybody looks at prices, so no price can better one's lot.
 *
 * Throws `invalid-request` for an order that is malformed, for an id that is there twice, and for too many slices.
 */
export function openBook({ bids, asks }: SealedOrders, random: Pick<RandomNumbers, 'shuffle'>): Book {
  assertOrders(bids, asks);
  const crossing = selfTrades(bids, asks);
  return {
    bids: byPrice(slicesOf(bids, crossing, random), (limit) => MARKET_LIMITS.slicePriceMicroFog - limit),
    asks: byPrice(slicesOf(asks, crossing, random), (limit) => limit),
    rejected: [...crossing].sort().map((orderId) => ({ orderId, reason: 'self-trade' })),
    isSingleSlice: isSingleSlice(bids, asks),
  };
}

function assertOrders(bids: readonly Order[], asks: readonly Order[]): void {
  const ids = new Set<string>();
  for (const [what, orders] of [['bid', bids] as const, ['ask', asks] as const]) {
    let total = 0;
    for (const order of orders) {
      const { id, slices } = order;
      if (!isOrder(order)) refuse(what, order);
      if (ids.has(id)) {
        throw new FogError('invalid-request', `two orders have the id ${id}`, { hint: 'give each order its own id' });
      }
      ids.add(id);
      total += slices;
    }
    assertWhole(total, { least: 0, most: MARKET_LIMITS.batchSlices, what: `the number of slices of all ${what}s` });
  }
}

function isOrder({ id, participant, limitMicroFog, slices }: Order): boolean {
  const { slicePriceMicroFog, batchSlices } = MARKET_LIMITS;
  const isNamed = isName(id) && isName(participant);
  return isNamed && isWhole(limitMicroFog, 0, slicePriceMicroFog) && isWhole(slices, 1, batchSlices);
}

/** Throws for what is malformed; texts about each of thousands of orders would take longer than looking at them. */
function refuse(what: 'bid' | 'ask', { id, participant, limitMicroFog, slices }: Order): void {
  assertName(id, `the id of a ${what}`);
  assertName(participant, `the participant of ${what} ${id}`);
  assertPrice(limitMicroFog, `the limit of ${what} ${id}`);
  assertWhole(slices, { least: 1, most: MARKET_LIMITS.batchSlices, what: `the number of slices of ${what} ${id}` });
}

/**
 * Slices by the rank of their limits, equal ones by their lots: as whole numbers below 2^53 that hold both, since numbers
 * are sorted several times as fast as objects are compared.
 */
function byPrice(slices: readonly SliceOrder[], rankOf: (limitMicroFog: number) => number): SliceOrder[] {
  const keys = new Float64Array(slices.length);
  const byLot = new Array<SliceOrder>(slices.reduce((most, { lot }) => Math.max(most, lot), -1) + 1);
  slices.forEach((slice, index) => {
    keys[index] = rankOf(slice.limitMicroFog) * MARKET_LIMITS.batchSlices + slice.lot;
    byLot[slice.lot] = slice;
  });
  return Array.from(keys.sort(), (key) => byLot[key % MARKET_LIMITS.batchSlices] as SliceOrder);
}

/**
 * Ids of orders that could trade with another of their participant: its bids from its lowest ask up, its asks up to its
 * highest bid. Of what is left, no bid reaches an ask of the same participant, and at no price do both trade.
 */
function selfTrades(bids: readonly Order[], asks: readonly Order[]): Set<string> {
  const highestBid = new Map<string, number>();
  const lowestAsk = new Map<string, number>();
  for (const { participant, limitMicroFog } of bids) {
    highestBid.set(participant, Math.max(limitMicroFog, highestBid.get(participant) ?? 0));
  }
  for (const { participant, limitMicroFog } of asks) {
    lowestAsk.set(participant, Math.min(limitMicroFog, lowestAsk.get(participant) ?? limitMicroFog));
  }
  const isOwn = (bid: number | undefined, ask: number | undefined) =>
    bid !== undefined && ask !== undefined && bid >= ask;
  const crossing = new Set<string>();
  for (const { id, participant, limitMicroFog } of bids) {
    if (isOwn(limitMicroFog, lowestAsk.get(participant))) crossing.add(id);
  }
  for (const { id, participant, limitMicroFog } of asks) {
    if (isOwn(highestBid.get(participant), limitMicroFog)) crossing.add(id);
  }
  return crossing;
}

function slicesOf(
  orders: readonly Order[],
  without: ReadonlySet<string>,
  random: Pick<RandomNumbers, 'shuffle'>,
): SliceOrder[] {
  const sorted = orders.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const total = sorted.reduce((sum, { slices }) => sum + slices, 0);
  const lots = Uint32Array.from({ length: total }, (_, index) => index);
  random.shuffle(lots);
  const slices: SliceOrder[] = [];
  let at = 0;
  for (const order of sorted) {
    for (let slice = 0; slice < order.slices; slice += 1) {
      const lot = lots[at] as number;
      at += 1;
      if (!without.has(order.id)) slices.push({ order, limitMicroFog: order.limitMicroFog, lot });
    }
  }
  return slices;
}

function isSingleSlice(bids: readonly Order[], asks: readonly Order[]): boolean {
  const isOne = ({ slices }: Order) => slices === 1;
  if (!bids.every(isOne) || !asks.every(isOne)) return false;
  const participants = new Set<string>();
  for (const { participant } of bids) participants.add(participant);
  for (const { participant } of asks) participants.add(participant);
  return participants.size === bids.length + asks.length;
}
