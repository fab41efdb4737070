/** Terms of a service of three replicas, for a price of 1,000 micro-FOG and a fee of 5 %. */
import type { Escrow, Terms } from '@fog/economy/escrow';
import { SETTLEMENT_LIMITS } from '../../../src/limits.ts';

export const TERMS: Terms = {
  version: 1,
  currency: 'fog',
  maximumPrice: 1000n,
  mostResults: 1,
  tasks: 3,
  periodMilliseconds: SETTLEMENT_LIMITS.periodMilliseconds,
  tier: 'bronze',
  pricePpm: 1_000_000n,
  promisedWaitMilliseconds: 1000,
  credits: [],
  meter: null,
  priceRule: 'quote',
  sliceFuel: 4_000_000_000_000n,
  feePpm: 50_000n,
  feeBurnPpm: 0n,
  premiumPpm: 0n,
  cancelPpm: 0n,
  oversightPpm: 0n,
  slash: { slashPpm: 0n, insurancePpm: 0n },
  bond: { bondPpm: 0n, unbondedLeases: 0 },
};
export const ESCROW: Escrow = { job: 'j1', buyer: 'alice', terms: TERMS };
