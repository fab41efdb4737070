/** What members vote on, as escrow and prices know it. */
import type { ServiceTier } from '@fog/contract';
import { WHOLE_PPM } from '@fog/economy/amounts';
import type { CreditStep } from '@fog/economy/escrow';
import type { Parameters } from '@fog/economy/governance';
import { CREDIT_SCHEDULE, type CreditSchedule } from '@fog/scheduler/queueing';
import type { PaymentParameters } from '../settlement/job-terms.ts';

export function paymentParametersOf(parameters: Parameters): PaymentParameters {
  const { feePpm, feeBurnPpm, premiumPpm, cancelPpm, oversightPpm, wrongResultSlashPpm, insurancePpm } = parameters;
  return {
    feePpm,
    feeBurnPpm,
    premiumPpm,
    cancelPpm,
    oversightPpm,
    sliceFuel: parameters.sliceFuel,
    slash: { slashPpm: wrongResultSlashPpm, insurancePpm },
    bond: { bondPpm: parameters.leaseBondPpm, unbondedLeases: Number(parameters.unbondedLeases) },
    tierPpm: tierPpmOf(parameters),
    credits: creditsOf(parameters),
  };
}

/** Of the price of bronze. */
export function tierPpmOf({
  silverPricePpm: silver,
  goldPricePpm: gold,
}: Pick<Parameters, 'silverPricePpm' | 'goldPricePpm'>): Readonly<Record<ServiceTier, bigint>> {
  return { bronze: WHOLE_PPM, silver, gold };
}

/** As service levels are told, in whole thousandths, rounded down; what a job is given back is exact. */
export function creditScheduleOf(parameters: Parameters): CreditSchedule {
  return creditsOf(parameters).map(({ abovePermille, creditPpm }) => {
    return { abovePermille, creditPermille: Number(creditPpm / 1000n) };
  });
}

/** Above which multiples of the promised wait something is given back is no matter of a vote; how much is. */
function creditsOf(parameters: Parameters): CreditStep[] {
  const { creditMissedPpm, creditMissedByHalfPpm, creditMissedTwofoldPpm, creditMissedFourfoldPpm } = parameters;
  const shares = [creditMissedPpm, creditMissedByHalfPpm, creditMissedTwofoldPpm, creditMissedFourfoldPpm];
  return CREDIT_SCHEDULE.map(({ abovePermille }, step) => {
    return { abovePermille, creditPpm: shares[step] ?? creditMissedFourfoldPpm };
  });
}
