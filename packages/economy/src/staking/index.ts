/** Staking: bonds, delegation, rewards, liveness, slashing. The one way in is `applyStaking`, or `stakingStep` over rows. */
export {
  type ArbiterCandidate,
  type ArbiterDraw,
  type ArbiterParties,
  drawArbiters,
  eligibleArbiters,
} from './arbiters.ts';
export type { EventOf, StakingEvent, StakingFact, StakingStep } from './events.ts';
export {
  type ArbiterRun,
  assertProof,
  type Evidence,
  type FaultClaim,
  type FaultyAttempt,
  faultOf,
} from './evidence.ts';
export {
  bondFor,
  freeForBonds,
  type HeldBack,
  heldBack,
  type LeaseAtRisk,
  mayTakeLease,
  type OwnerBonds,
} from './lease-bonds.ts';
export { STAKING_LIMITS } from './limits.ts';
export { LIVENESS_SLOTS, type LivenessSlot, slideWindow } from './liveness.ts';
export { applyStaking, stakingStep } from './machine.ts';
export { loadRows, ROUNDS, type RowNeed, rowsNeeded, rowsNeededAt } from './needs.ts';
export { assertStakingParameters, DEFAULT_STAKING_PARAMETERS, type StakingParameters } from './parameters.ts';
export { FRACTIONS, pendingReward } from './rewards.ts';
export {
  type Cohort,
  type Delegation,
  keyOf,
  type Liveness,
  type Period,
  type Redelegation,
  ROW_KEYS,
  rowKey,
  type Slash,
  type SlashPart,
  type StakingTables,
  TABLE_NAMES,
  type TableName,
  type UnbondingEntry,
  type Validator,
} from './rows.ts';
export { type FieldKind, ROW_FIELDS, restoreSnapshot, type StakingSnapshot, snapshotOf } from './snapshot.ts';
export { relayStake, stakeOf, stakeWeights } from './standing.ts';
export { type RowChange, type Rows, StakingState } from './state.ts';
export type { StakingAccount, StakingTransfer } from './transfers.ts';
