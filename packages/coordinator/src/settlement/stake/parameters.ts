/** What holds of stake: what members have voted for, and the rest as it began. */
import type { Parameters } from '@fog/economy/governance';
import { DEFAULT_STAKING_PARAMETERS, type StakingParameters } from '@fog/economy/staking';

export interface StakeParameters extends StakingParameters {
  /** Of what a provider earns while its bond is not full: joins the bond. */
  heldBackPpm: bigint;
  /** Of the treasury, each day: to those who have something at stake. */
  epochTreasuryPpm: bigint;
}

export const FIRST_STAKE_PARAMETERS: Readonly<StakeParameters> = {
  ...DEFAULT_STAKING_PARAMETERS,
  heldBackPpm: 250_000n,
  epochTreasuryPpm: 0n,
};

/** With what a vote has said. Evidence never becomes older than stake that leaves, or no slash could reach it. */
export function stakeParametersOf(
  values: Pick<
    Parameters,
    | 'unbondingMilliseconds'
    | 'appealMilliseconds'
    | 'jailMilliseconds'
    | 'livenessSlots'
    | 'livenessAnsweredPpm'
    | 'epochTreasuryPpm'
    | 'validatorCommissionMostPpm'
  >,
): StakeParameters {
  const unbondingMilliseconds = Number(values.unbondingMilliseconds);
  return {
    ...FIRST_STAKE_PARAMETERS,
    unbondingMilliseconds,
    evidenceAgeMilliseconds: Math.min(FIRST_STAKE_PARAMETERS.evidenceAgeMilliseconds, unbondingMilliseconds - 1),
    appealMilliseconds: Number(values.appealMilliseconds),
    jailMilliseconds: Number(values.jailMilliseconds),
    livenessSlots: Number(values.livenessSlots),
    livenessAnsweredPpm: values.livenessAnsweredPpm,
    epochTreasuryPpm: values.epochTreasuryPpm,
    commissionMostPpm: values.validatorCommissionMostPpm,
  };
}
