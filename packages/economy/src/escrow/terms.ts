/**
 * The terms of a job: everything that decides who pays whom how much for it. They are frozen at its submit. What is voted
 * or changed later is for later jobs.
 */
import { FogError, SERVICE_TIERS, type ServiceTier } from '@fog/contract';
import { assertAmount, assertPpm, WHOLE_PPM } from '../amounts.ts';
import { CURRENCIES, type Currency } from '../chart.ts';
import { amountOf, assertFields, assertList, assertNumber, assertOneOf, objectOf, textOf } from './checks.ts';
import { ESCROW_LIMITS } from './limits.ts';

/** `fuel`: instructions of a wasm module, of which every honest node counts the same number. */
export const METERS = ['fuel'] as const;
export type Meter = (typeof METERS)[number];

/** What counts where no meter decides. `quote`: the price fixed at placement; `lowest-report`: of the valid results. */
export const PRICE_RULES = ['quote', 'lowest-report'] as const;
export type PriceRule = (typeof PRICE_RULES)[number];

/** Above which multiple of the promised wait, in thousandths, which share of the price is given back. */
export interface CreditStep {
  abovePermille: number;
  creditPpm: bigint;
}

export interface SlashTerms {
  /** Of what was at stake: lost by a result that is proven wrong. */
  slashPpm: bigint;
  /** Of what the damage leaves of it: to the insurance; the rest burns. */
  insurancePpm: bigint;
}

export interface BondTerms {
  /** Of the maximum price: what a provider has to have at stake for a result that nobody else computes. */
  bondPpm: bigint;
  /** Leases at a time that whoever has not come to its bond yet gets all the same. */
  unbondedLeases: number;
}

/** What jobs ask for whose terms are from before there were bonds. */
export const NO_BOND: Readonly<BondTerms> = { bondPpm: 0n, unbondedLeases: 0 };

export interface Terms {
  version: 1;
  /** Null: the fog asks for no money, and everything costs 0. */
  currency: Currency | null;
  /** Of one result, or of one period of one replica, in micro-FOG, at the price of the tier. No quote is higher. */
  maximumPrice: bigint;
  /** Of one task that are paid. */
  mostResults: number;
  /** Or replicas of a service. */
  tasks: number;
  /** Of a service or daemon, which has no end; null of a job. */
  periodMilliseconds: number | null;
  tier: ServiceTier;
  /** Of the lowest tier's price, from the whole on; what is above the whole is the premium. */
  pricePpm: bigint;
  /** 95 of 100 tasks find their first node within. */
  promisedWaitMilliseconds: number;
  /** In rising order of both. */
  credits: readonly CreditStep[];
  /** Null: nothing is metered. */
  meter: Meter | null;
  /** Units of fuel that cost as much as a slice of time. */
  sliceFuel: bigint;
  priceRule: PriceRule;
  /** Of what a provider earns: to the treasury. */
  feePpm: bigint;
  /** Of what the treasury would get in the end: burns instead. */
  feeBurnPpm: bigint;
  /** Of the premium: to the provider; the rest to the treasury, which gives credits out of it. */
  premiumPpm: bigint;
  /** Of the price of the part that a lease had run: paid when the buyer cancels. */
  cancelPpm: bigint;
  /** Of what the treasury keeps of a job: pays for checks and repetitions that the fog orders for its own sake. */
  oversightPpm: bigint;
  slash: SlashTerms;
  bond: BondTerms;
}

const FIELDS = [
  'version',
  'currency',
  'maximumPrice',
  'mostResults',
  'tasks',
  'periodMilliseconds',
  'tier',
  'pricePpm',
  'promisedWaitMilliseconds',
  'credits',
  'meter',
  'sliceFuel',
  'priceRule',
  'feePpm',
  'feeBurnPpm',
  'premiumPpm',
  'cancelPpm',
  'oversightPpm',
  'slash',
  'bond',
] as const satisfies readonly (keyof Terms)[];
/** In terms from before a vote could change it. */
const FIRST_SLICE_FUEL = 4_000_000_000_000n;
const TIER_PRICE = { least: WHOLE_PPM, most: ESCROW_LIMITS.pricePpm, what: 'the price of the tier' };
const PARTS = ['feePpm', 'feeBurnPpm', 'premiumPpm', 'cancelPpm', 'oversightPpm'] as const;
const SLASH_PARTS = ['slashPpm', 'insurancePpm'] as const;

/** Throws `invalid-request` for the first field that is out of its range, and for one too many or too few. */
export function assertTerms(terms: Terms): void {
  assertFields(terms, FIELDS, 'the terms');
  assertNumber(terms.version, { least: 1, most: 1, what: 'the version of the terms' });
  assertOneOf(terms.currency, [...(Object.keys(CURRENCIES) as Currency[]), null], 'the currency of the terms');
  assertAmount(terms.maximumPrice, { most: ESCROW_LIMITS.priceMicroFog, what: 'the maximum price' });
  const { resultsOfTask, tasks, milliseconds } = ESCROW_LIMITS;
  assertNumber(terms.mostResults, { least: 1, most: resultsOfTask, what: 'the most results of a task' });
  assertNumber(terms.tasks, { least: 1, most: tasks, what: 'the number of tasks' });
  if (terms.periodMilliseconds !== null) {
    assertNumber(terms.periodMilliseconds, { least: 1, most: milliseconds, what: 'the period' });
    assertNumber(terms.tasks, { least: 1, most: ESCROW_LIMITS.replicas, what: 'the number of replicas' });
    assertNumber(terms.mostResults, { least: 1, most: 1, what: 'the results of a replica' });
  }
  assertOneOf(terms.tier, SERVICE_TIERS, 'the tier');
  assertAmount(terms.pricePpm, TIER_PRICE);
  assertNumber(terms.promisedWaitMilliseconds, { most: milliseconds, what: 'the promised wait' });
  assertCredits(terms.credits);
  assertOneOf(terms.meter, [...METERS, null], 'the meter');
  assertAmount(terms.sliceFuel, { least: 1n, most: ESCROW_LIMITS.fuel, what: 'the fuel of a slice' });
  assertOneOf(terms.priceRule, PRICE_RULES, 'the price rule');
  for (const part of PARTS) assertPpm(terms[part], part);
  assertFields(terms.slash, SLASH_PARTS, 'slash');
  for (const part of SLASH_PARTS) assertPpm(terms.slash[part], `slash.${part}`);
  assertFields(terms.bond, ['bondPpm', 'unbondedLeases'], 'bond');
  assertPpm(terms.bond.bondPpm, 'bond.bondPpm');
  assertNumber(terms.bond.unbondedLeases, { most: ESCROW_LIMITS.tasks, what: 'bond.unbondedLeases' });
}

function assertCredits(credits: readonly CreditStep[]): void {
  assertList(credits, ESCROW_LIMITS.creditSteps, 'the schedule of credits');
  let last: CreditStep = { abovePermille: 999, creditPpm: 0n };
  for (const [index, step] of credits.entries()) {
    const what = `step ${index} of the credits`;
    assertFields(step, ['abovePermille', 'creditPpm'], what);
    assertNumber(step.abovePermille, { least: last.abovePermille + 1, most: ESCROW_LIMITS.waitPermille, what });
    assertAmount(step.creditPpm, { least: last.creditPpm, most: WHOLE_PPM, what: `the credit of ${what}` });
    last = step;
  }
}

/** As JSON with amounts as texts, the same bytes for equal terms. */
export function writeTerms(terms: Terms): string {
  assertTerms(terms);
  const credits = terms.credits.map(({ abovePermille, creditPpm }) => ({ abovePermille, creditPpm }));
  const { slashPpm, insurancePpm } = terms.slash;
  const { bondPpm, unbondedLeases } = terms.bond;
  const bond = { bondPpm, unbondedLeases };
  const ordered = { ...terms, credits, slash: { slashPpm, insurancePpm }, bond };
  return textOf(Object.fromEntries(FIELDS.map((name) => [name, ordered[name]])));
}

/** Throws `invalid-request` for what `writeTerms` did not write. */
export function readTerms(text: string): Terms {
  const raw = objectOf(text, 'the terms');
  const slash = (raw.slash ?? null) as Record<string, unknown> | null;
  const terms = {
    ...raw,
    maximumPrice: amountOf(raw.maximumPrice),
    pricePpm: amountOf(raw.pricePpm),
    sliceFuel: raw.sliceFuel === undefined ? FIRST_SLICE_FUEL : amountOf(raw.sliceFuel),
    credits: Array.isArray(raw.credits) ? raw.credits.map(creditOf) : raw.credits,
    ...Object.fromEntries(PARTS.map((part) => [part, amountOf(raw[part])])),
    slash:
      typeof slash === 'object' && slash !== null
        ? { ...slash, ...Object.fromEntries(SLASH_PARTS.map((part) => [part, amountOf(slash[part])])) }
        : slash,
    bond: bondOf(raw.bond),
  } as unknown as Terms;
  assertTerms(terms);
  return terms;
}

function bondOf(bond: unknown): unknown {
  if (bond === undefined) return NO_BOND;
  if (typeof bond !== 'object' || bond === null) return bond;
  return { ...bond, bondPpm: amountOf((bond as { bondPpm?: unknown }).bondPpm) };
}

function creditOf(step: unknown): unknown {
  if (typeof step !== 'object' || step === null) return step;
  return { ...step, creditPpm: amountOf((step as { creditPpm?: unknown }).creditPpm) };
}

/** What one task may cost: its most results at their highest price. */
export function coverOfTask({ currency, maximumPrice, mostResults }: Terms): bigint {
  return currency === null ? 0n : maximumPrice * BigInt(mostResults);
}

/** What a submit puts into escrow: that of all its tasks. Of a service, what one period of all replicas may cost. */
export function coverOf(terms: Terms): bigint {
  return coverOfTask(terms) * BigInt(terms.tasks);
}

/**
 * The highest price of a result, at the price of the tier: the budget of the job where it names one, otherwise what its
 * slices cost at the posted price, rounded up for the provider. Throws `invalid-request` for what is no amount, or above
 * the limit.
 */
export function maximumPriceOf({
  budgetMicroFog,
  slices,
  slicePriceMicroFog,
  pricePpm,
}: {
  budgetMicroFog: number | null;
  slices: number;
  slicePriceMicroFog: number;
  pricePpm: bigint;
}): bigint {
  assertAmount(pricePpm, TIER_PRICE);
  const whole = { most: Number.MAX_SAFE_INTEGER };
  if (budgetMicroFog !== null) assertNumber(budgetMicroFog, { ...whole, what: 'the budget' });
  assertNumber(slices, { ...whole, what: 'the number of slices' });
  assertNumber(slicePriceMicroFog, { ...whole, what: 'the price of a slice' });
  const price =
    budgetMicroFog === null
      ? (BigInt(slices) * BigInt(slicePriceMicroFog) * pricePpm + WHOLE_PPM - 1n) / WHOLE_PPM
      : BigInt(budgetMicroFog);
  if (price <= ESCROW_LIMITS.priceMicroFog) return price;
  throw new FogError('invalid-request', `one result may cost ${price} micro-FOG, and none costs more than 2^64`, {
    details: { price: String(price) },
    hint: 'ask for less time or fewer processors, or give the job a budget',
  });
}
