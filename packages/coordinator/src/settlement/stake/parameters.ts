/** What holds of stake, until members vote for something else. */
import { DEFAULT_STAKING_PARAMETERS, type StakingParameters } from '@fog/economy/staking';

export interface StakeParameters extends StakingParameters {
  /** Of what a result costs at most: the bond that its provider has to have, where nobody else computes it. */
  leaseBondPpm: bigint;
  /** Of what a provider earns while its bond is not full: joins the bond. */
  heldBackPpm: bigint;
  /** Of the treasury, each day: to those who have something at stake. 0: nothing is divided. */
  epochTreasuryPpm: bigint;
}

export const FIRST_STAKE_PARAMETERS: Readonly<StakeParameters> = {
  ...DEFAULT_STAKING_PARAMETERS,
  leaseBondPpm: 1_000_000n,
  heldBackPpm: 250_000n,
  epochTreasuryPpm: 0n,
};
