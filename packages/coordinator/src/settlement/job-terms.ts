/** What a job costs: its terms, frozen at the submit, and the prices that follow from them. Pure. */
import type { JobSpec, ServiceTier } from '@fog/contract';
import { isLongRunning, parseDuration } from '@fog/contract';
import { WHOLE_PPM } from '@fog/economy/amounts';
import type { Currency } from '@fog/economy/chart';
import { ESCROW_LIMITS, type LeasePrice, leasePrice, maximumPriceOf, readTerms, type Terms } from '@fog/economy/escrow';
import { bondFor } from '@fog/economy/staking';
import { STANDARD_SLICE, slicesFor } from '@fog/scheduler/market';
import { SERVICE_LEVELS } from '@fog/scheduler/queueing';
import { type Needs, requirementsOf } from '../dispatch/requirements.ts';
import { SETTLEMENT_LIMITS } from '../limits.ts';

/** What members may vote on, as it is at the submit. */
export interface PaymentParameters
  extends Pick<
    Terms,
    'feePpm' | 'feeBurnPpm' | 'premiumPpm' | 'cancelPpm' | 'oversightPpm' | 'slash' | 'bond' | 'credits' | 'sliceFuel'
  > {
  /** Of the price of bronze. */
  tierPpm: Readonly<Record<ServiceTier, bigint>>;
}

export interface TermsRequest {
  spec: JobSpec;
  submitter: string;
  tasks: number;
  currency: Currency;
  /** The highest that is posted, in micro-FOG for a slice of bronze. */
  postedMicroFog: number;
  parameters: PaymentParameters;
}

/** Throws `invalid-request` where a result could cost more than can be paid. */
export function termsOf({ spec, submitter, tasks, currency, postedMicroFog, parameters }: TermsRequest): Terms {
  const { tier = 'bronze', budget, verification, timeouts } = spec.spec;
  const { tierPpm, ...voted } = parameters;
  const pricePpm = tierPpm[tier];
  const isReplicated = verification !== undefined && verification.mode !== 'none';
  const longest = isLongRunning(spec) ? SETTLEMENT_LIMITS.periodMilliseconds : parseDuration(timeouts.attempt);
  const { milliCpu, memoryBytes } = requirementsOf(spec, submitter);
  return {
    version: 1,
    currency,
    maximumPrice: maximumPriceOf({
      budgetMicroFog: budget?.perTask ?? null,
      slices: slicesFor({ virtualCpus: milliCpu / 1000, memoryBytes, milliseconds: longest }),
      slicePriceMicroFog: postedMicroFog * SETTLEMENT_LIMITS.dearestMultiple,
      pricePpm,
    }),
    mostResults: isReplicated ? verification.maxReplicas : 1,
    tasks,
    periodMilliseconds: isLongRunning(spec) ? SETTLEMENT_LIMITS.periodMilliseconds : null,
    tier,
    pricePpm,
    promisedWaitMilliseconds: SERVICE_LEVELS[tier].p95WaitMilliseconds,
    meter: budget?.meter === 'fuel' ? 'fuel' : null,
    priceRule: 'lowest-report',
    ...voted,
  };
}

/** What each lease of a job binds of the stake of who computes it. */
export interface JobBond {
  amount: bigint;
  /** Leases at a time that newcomers get without it. */
  unbondedLeases: number;
  submitter: string;
}

/**
 * Null where leases bind nothing: others compute the tasks too, money of the faucet pays for them, or they are kept running:
 * no replica of a service is ever proven wrong.
 */
export function bondOfJob(
  { currency, maximumPrice, periodMilliseconds, bond: { bondPpm, unbondedLeases } }: Terms,
  { submitter, isReplicated }: { submitter: string; isReplicated: boolean },
): JobBond | null {
  if (currency !== 'fog' || periodMilliseconds !== null) return null;
  const amount = bondFor({ valueMicroFog: maximumPrice, isReplicated, bondPpm });
  return amount === 0n ? null : { amount, unbondedLeases, submitter };
}

/** Terms as they were stored; null where nobody pays. */
export function storedTerms(text: string | null): Terms | null {
  return text === null ? null : readTerms(text);
}

/** Micro-FOG for a slice in the tier, rounded up for the provider. */
export function tierPrice(bronzeMicroFog: number, { pricePpm }: Pick<Terms, 'pricePpm'>): number {
  return Number((BigInt(bronzeMicroFog) * pricePpm + WHOLE_PPM - 1n) / WHOLE_PPM);
}

const SLICE_PARTS = 1_000_000;

/**
 * What these resources cost for so long, at a price for a slice: the scarcer of processors and memory counts, to the
 * millisecond. Rounded up for the provider.
 */
export function costOf(price: number, { milliCpu, memoryBytes }: Needs, milliseconds: number): bigint {
  const whole = BigInt(SLICE_PARTS) * BigInt(STANDARD_SLICE.milliseconds);
  return (BigInt(price) * partsOf({ milliCpu, memoryBytes }) * BigInt(Math.ceil(milliseconds)) + whole - 1n) / whole;
}

/** Of a slice, rounded up. */
function partsOf({ milliCpu, memoryBytes }: Pick<Needs, 'milliCpu' | 'memoryBytes'>): bigint {
  const share = Math.max(
    Math.ceil((milliCpu * SLICE_PARTS) / (1000 * STANDARD_SLICE.virtualCpus)),
    Math.ceil((memoryBytes * SLICE_PARTS) / STANDARD_SLICE.memoryBytes),
  );
  return BigInt(share);
}

const PETA = 10n ** 15n;

/**
 * What 10^15 units of fuel cost at a price for a slice: as much as the time that the reference processor needs for them.
 * Rounded up for the provider.
 */
export function fuelPriceOf(price: number, needs: Needs, { sliceFuel }: Pick<Terms, 'sliceFuel'>): bigint {
  const whole = BigInt(SLICE_PARTS) * sliceFuel;
  const asked = (BigInt(price) * partsOf(needs) * PETA + whole - 1n) / whole;
  const most = ESCROW_LIMITS.priceMicroFog;
  return asked < most ? asked : most;
}

interface Run {
  needs: Needs;
  /** How long an attempt may take. */
  attemptMilliseconds: number;
}

/** The most that the result of an attempt costs: what it would if it ran as long as it may. Of a replica, what a period does. */
export function quoteOf(price: number, { needs, attemptMilliseconds }: Run, terms: Terms): LeasePrice {
  const longest = terms.periodMilliseconds ?? attemptMilliseconds;
  const perPetaFuel = terms.meter === 'fuel' ? fuelPriceOf(price, needs, terms) : null;
  return leasePrice(Number(costOf(price, needs, longest)), perPetaFuel, terms);
}

/** Whether its buyer pays as much as is posted, in micro-FOG for a slice of bronze, for the longest that it may run. */
export function affords(posted: number, { needs, attemptMilliseconds }: Run, terms: Terms): boolean {
  const longest = terms.periodMilliseconds ?? attemptMilliseconds;
  return costOf(tierPrice(posted, terms), needs, longest) <= terms.maximumPrice;
}
