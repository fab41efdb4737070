/** What members vote on, as escrow and prices know it. Shares become whole thousandths where those count, rounded down. */
import type { CreditStep } from '@fog/economy/escrow';
import type { Parameters } from '@fog/economy/governance';
import { CREDIT_SCHEDULE, SERVICE_LEVELS } from '@fog/scheduler/queueing';
import type { PaymentParameters } from '../settlement/job-terms.ts';

const PPM_PER_PERMILLE = 1000n;

export function paymentParametersOf(parameters: Parameters): PaymentParameters {
  const { feePpm, feeBurnPpm, premiumPpm, cancelPpm, oversightPpm, wrongResultSlashPpm, insurancePpm } = parameters;
  return {
    feePpm,
    feeBurnPpm,
    premiumPpm,
    cancelPpm,
    oversightPpm,
    slash: { bondPpm: wrongResultSlashPpm, insurancePpm },
    tierPermille: {
      bronze: SERVICE_LEVELS.bronze.pricePermille,
      silver: permille(parameters.silverPricePpm),
      gold: permille(parameters.goldPricePpm),
    },
    credits: creditsOf(parameters),
  };
}

/** Above which multiples of the promised wait something is given back is no matter of a vote; how much is. */
function creditsOf(parameters: Parameters): CreditStep[] {
  const { creditMissedPpm, creditMissedByHalfPpm, creditMissedTwofoldPpm, creditMissedFourfoldPpm } = parameters;
  const shares = [creditMissedPpm, creditMissedByHalfPpm, creditMissedTwofoldPpm, creditMissedFourfoldPpm];
  return CREDIT_SCHEDULE.map(({ abovePermille }, step) => {
    return { abovePermille, creditPermille: permille(shares[step] ?? creditMissedFourfoldPpm) };
  });
}

function permille(ppm: bigint): number {
  return Number(ppm / PPM_PER_PERMILLE);
}
