/** What members vote on, as escrow and prices know it. */
import { WHOLE_PPM } from '@fog/economy/amounts';
import type { CreditStep } from '@fog/economy/escrow';
import type { Parameters } from '@fog/economy/governance';
import { CREDIT_SCHEDULE } from '@fog/scheduler/queueing';
import type { PaymentParameters } from '../settlement/job-terms.ts';

export function paymentParametersOf(parameters: Parameters): PaymentParameters {
  const { feePpm, feeBurnPpm, premiumPpm, cancelPpm, oversightPpm, wrongResultSlashPpm, insurancePpm } = parameters;
  return {
    feePpm,
    feeBurnPpm,
    premiumPpm,
    cancelPpm,
    oversightPpm,
    slash: { slashPpm: wrongResultSlashPpm, insurancePpm },
    bond: { bondPpm: parameters.leaseBondPpm, unbondedLeases: Number(parameters.unbondedLeases) },
    tierPpm: { bronze: WHOLE_PPM, silver: parameters.silverPricePpm, gold: parameters.goldPricePpm },
    credits: creditsOf(parameters),
  };
}

/** Above which multiples of the promised wait something is given back is no matter of a vote; how much is. */
function creditsOf(parameters: Parameters): CreditStep[] {
  const { creditMissedPpm, creditMissedByHalfPpm, creditMissedTwofoldPpm, creditMissedFourfoldPpm } = parameters;
  const shares = [creditMissedPpm, creditMissedByHalfPpm, creditMissedTwofoldPpm, creditMissedFourfoldPpm];
  return CREDIT_SCHEDULE.map(({ abovePermille }, step) => {
    return { abovePermille, creditPpm: shares[step] ?? creditMissedFourfoldPpm };
  });
}
