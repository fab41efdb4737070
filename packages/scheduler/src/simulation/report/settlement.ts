/**
 * What a run would have cost by the market's slices, and what each tier's promise on waits would have given back. No
 * trace tells tiers, so all work is settled once as each of them.
 */
import { FogError } from '@fog/contract';
import { MARKET_LIMITS, slicesFor } from '../../market/index.ts';
import { SERVICE_LEVELS, SERVICE_TIERS, type ServiceTier, settleServiceLevel } from '../../queueing/index.ts';
import { type Figure, isAvailable, type Unavailable, unavailable } from './figures.ts';
import type { SimulatedMachine, SimulatedWork } from './simulated-run.ts';

export interface ServiceLevelFigures {
  tier: ServiceTier;
  /** The wait that 95 of 100 are promised not to exceed. */
  promisedWaitSeconds: number;
  /** Work that waited longer. */
  misses: number;
  isMet: boolean;
  creditPermille: number;
  costMicroFog: Figure;
  creditMicroFog: Figure;
}

/** Settles all work as one customer's. Throws as `settleServiceLevel` and `costOf` do. */
export function settleTiers(work: readonly SimulatedWork[], bronzeMicroFog: Figure): ServiceLevelFigures[] {
  const waits = work.map((piece) => (piece.startSeconds - piece.submittedAtSeconds) * 1000);
  return SERVICE_TIERS.map((tier) => {
    const { p95WaitMilliseconds, pricePermille } = SERVICE_LEVELS[tier];
    const { isMet, creditPermille } = settleServiceLevel(tier, waits);
    const costMicroFog = permilleOf(bronzeMicroFog, pricePermille, Math.ceil);
    return {
      tier,
      promisedWaitSeconds: p95WaitMilliseconds / 1000,
      misses: waits.filter((wait) => wait > p95WaitMilliseconds).length,
      isMet,
      creditPermille,
      costMicroFog,
      creditMicroFog: permilleOf(costMicroFog, creditPermille, Math.floor),
    };
  });
}

/**
 * As bronze, at one price for the whole run. Memory counts where it is known. Throws `invalid-request` for a price that is
 * none, and when the sum is too large for an exact number.
 */
export function costOf(
  work: readonly SimulatedWork[],
  { gpus }: SimulatedMachine,
  slicePriceMicroFog: number,
): number | Unavailable {
  const isPrice = Number.isSafeInteger(slicePriceMicroFog) && slicePriceMicroFog >= 0;
  if (!isPrice || slicePriceMicroFog > MARKET_LIMITS.slicePriceMicroFog) {
    throw new FogError('invalid-request', `a price of ${slicePriceMicroFog} micro-FOG a slice`, {
      hint: `it is a whole number from 0 to ${MARKET_LIMITS.slicePriceMicroFog}`,
    });
  }
  if (isAvailable(gpus) && gpus > 0) return unavailable('a standard slice holds no GPU, so the market has no price');
  const slices = work.reduce((sum, piece) => sum + slicesOf(piece), 0);
  const largestTier = Math.max(...SERVICE_TIERS.map((tier) => SERVICE_LEVELS[tier].pricePermille));
  if (slices * slicePriceMicroFog * largestTier > Number.MAX_SAFE_INTEGER) {
    throw new FogError('invalid-request', `${slices} slices at ${slicePriceMicroFog} micro-FOG are too much money`, {
      hint: 'simulate with a smaller price, and multiply',
    });
  }
  return slices * slicePriceMicroFog;
}

function slicesOf({ processors, memoryMebibytes, startSeconds, endSeconds }: SimulatedWork): number {
  const milliseconds = (endSeconds - startSeconds) * 1000;
  const memoryBytes = (memoryMebibytes ?? 0) * 2 ** 20;
  if (milliseconds === 0 || processors + memoryBytes === 0) return 0;
  return slicesFor({ virtualCpus: processors, memoryBytes, milliseconds });
}

function permilleOf(amount: Figure, permille: number, round: (value: number) => number): Figure {
  return isAvailable(amount) ? round((amount * permille) / 1000) : amount;
}
