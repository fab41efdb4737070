/**
 * What a result costs, and who gets how much of that.
 *
 *     metered, and the meters agree      work x price of the work, never above the quote
 *     otherwise, by the terms            the quote, or the lowest cost that a valid result reports, never above the quote
 *
 * Meters agree when at least two providers report the same, or when a trusted node reports. Nodes of the buyer have no
 * say: theirs would report nothing, to pay others less.
 */
import { FogError } from '@fog/contract';
import { assertAmount, portionOf, WHOLE_PPM } from '../amounts.ts';
import { assertNumber } from './checks.ts';
import { ESCROW_LIMITS } from './limits.ts';
import type { Terms } from './terms.ts';

/** Fuel is cheap: a price for less of it would be rounded off. */
const PETA = 10n ** 15n;

/** Fixed when a lease is given; kept with its attempt. In micro-FOG, at the price of the tier. */
export interface LeasePrice {
  /** The most that the result costs. */
  quote: bigint;
  /** Of 10^15 units of fuel; null where none is counted. */
  perPetaFuel: bigint | null;
}

/** A result that counts, as far as its price goes. */
export interface PricedResult {
  fence: number;
  /** Who gets the money: the owner of the node. */
  provider: string;
  isTrusted: boolean;
  price: LeasePrice;
  /** What its node counted; null when it did not. */
  fuel: bigint | null;
  /** What its node asks by its own clock, in micro-FOG; null when it asks for the quote. */
  costMicroFog: bigint | null;
}

/**
 * The price of a lease: what placement expects it to cost, rounded up for the provider, and never above the maximum.
 * Throws `invalid-request` for what is no amount.
 */
export function leasePrice(expectedMicroFog: number, perPetaFuel: bigint | null, terms: Terms): LeasePrice {
  if (!Number.isFinite(expectedMicroFog) || expectedMicroFog < 0) {
    throw new FogError('invalid-request', `a lease is expected to cost ${expectedMicroFog} micro-FOG`, {
      hint: 'give a finite amount that is not negative',
    });
  }
  const expected = BigInt(Math.ceil(expectedMicroFog));
  return { quote: expected < terms.maximumPrice ? expected : terms.maximumPrice, perPetaFuel };
}

/** Throws `invalid-request` for a price or a report that is no amount, and for a quote above the maximum of the terms. */
export function assertPriced({ fence, price, fuel, costMicroFog }: PricedResult, { maximumPrice }: Terms): void {
  const { priceMicroFog, fuel: mostFuel } = ESCROW_LIMITS;
  assertNumber(fence, { least: 1, what: 'a fence' });
  assertAmount(price.quote, { most: maximumPrice, what: 'the quote of a result' });
  const { perPetaFuel } = price;
  if (perPetaFuel !== null) assertAmount(perPetaFuel, { most: priceMicroFog, what: 'the price of fuel' });
  if (fuel !== null) assertAmount(fuel, { most: mostFuel, what: 'the fuel of a result' });
  if (costMicroFog !== null) assertAmount(costMicroFog, { what: 'the cost of a result' });
}

/** The price of each of the results of one task that count, in the order that they came in. */
export function pricesOf(results: readonly PricedResult[], buyer: string, terms: Terms): bigint[] {
  const [only] = results;
  if (only !== undefined && results.length === 1) return [priceOfOnly(only, buyer, terms)];
  const strangers = results.filter(({ provider }) => provider !== buyer);
  const fuel = terms.meter === 'fuel' ? agreedFuel(strangers) : null;
  const reports = strangers.map(({ price, costMicroFog }) => costMicroFog ?? price.quote);
  const lowest = reports.reduce<bigint | null>((least, report) => smaller(report, least), null);
  return results.map(({ price }) => priceOf(price, terms, { fuel, lowest }));
}

/** The same of a task's only result, which most tasks have. */
function priceOfOnly(result: PricedResult, buyer: string, terms: Terms): bigint {
  const isStrange = result.provider !== buyer;
  const fuel = isStrange && terms.meter === 'fuel' && result.isTrusted ? result.fuel : null;
  return priceOf(result.price, terms, { fuel, lowest: isStrange ? result.costMicroFog : null });
}

function priceOf(
  { quote, perPetaFuel }: LeasePrice,
  { priceRule }: Terms,
  { fuel, lowest }: { fuel: bigint | null; lowest: bigint | null },
): bigint {
  // Rounded up for the provider: what costs less than a micro-FOG is not free, or work would be cut into such pieces.
  if (fuel !== null && perPetaFuel !== null) return smaller((fuel * perPetaFuel + PETA - 1n) / PETA, quote);
  return priceRule === 'quote' ? quote : smaller(quote, lowest);
}

function agreedFuel(results: readonly PricedResult[]): bigint | null {
  const trusted = results.find(({ isTrusted, fuel }) => isTrusted && fuel !== null);
  if (trusted !== undefined) return trusted.fuel;
  const [first] = results;
  const areAlike = first !== undefined && first.fuel !== null && results.every(({ fuel }) => fuel === first.fuel);
  return areAlike && new Set(results.map(({ provider }) => provider)).size > 1 ? first.fuel : null;
}

function smaller(left: bigint, right: bigint | null): bigint {
  return right === null || left < right ? left : right;
}

export interface DividedPrice {
  /** To the provider. */
  payout: bigint;
  /** Fee, and the treasury's part of the premium. */
  retained: bigint;
}

/**
 * Divides a price: the provider gets what its node asked and its part of the premium, less the fee. What the premium and
 * its share lose by rounding is the treasury's, what the fee loses the provider's.
 */
export function dividePrice(price: bigint, { pricePpm, premiumPpm, feePpm }: Terms): DividedPrice {
  const asked = (price * WHOLE_PPM) / pricePpm;
  const gross = asked + portionOf(price - asked, premiumPpm);
  const payout = gross - portionOf(gross, feePpm);
  return { payout, retained: price - payout };
}
