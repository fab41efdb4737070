/**
 * @fog/economy/governance: proposals, voting power, ballots and recounts; emission. Pure: records and the clock come in,
 * records, transfers in the shape of the ledger's, and changes come out. A store loads what an operation names.
 */
export {
  type Ballot,
  type BallotContent,
  ballotDigest,
  castBallot,
  isSignedBallot,
  type SignedBallot,
  signBallot,
  type VoterPower,
  votingKeyOf,
} from './ballots.ts';
export {
  CONVICTION_DECAY_WHOLE,
  type ConvictionStep,
  type ConvictionThreshold,
  convictionAfter,
  convictionThreshold,
  type Fraction,
  isConvinced,
} from './conviction.ts';
export {
  CHOICES,
  type Choice,
  type CountedVote,
  countVote,
  EMPTY_TALLY,
  isApproved,
  isQuorumReached,
  type Quorum,
  quorumOf,
  type Tally,
  type Vote,
} from './counting.ts';
export {
  type DaoRecord,
  formatDaoRecord,
  parseDaoRecord,
  proposalFrom,
  readProposal,
  writeProposal,
} from './dao-record.ts';
export {
  burnedShares,
  type Emission,
  type EmissionClaim,
  type EmissionTerms,
  emissionFor,
  emissionRates,
  wantedBy,
} from './emission.ts';
export { type AuditEntry, type Execution, type ExecutionContext, execute } from './execution.ts';
export { faultOf, GOVERNANCE_FAULTS, type GovernanceFault } from './faults.ts';
export { GOVERNANCE_LIMITS } from './limits.ts';
export {
  type AppliedChange,
  assertParameter,
  changedParameters,
  type ParameterChange,
  parametersFrom,
} from './parameter-changes.ts';
export {
  DEFAULT_PARAMETERS,
  PARAMETER_NAMES,
  PARAMETER_RULES,
  PARAMETER_UNITS,
  PARAMETERS,
  type ParameterDescription,
  type ParameterName,
  type Parameters,
  type ParameterUnit,
  RETIRED_PARAMETERS,
} from './parameters.ts';
export {
  type MovedStake,
  moveStake,
  PowerBook,
  type StakeChange,
  type StakeCheckpoint,
  touchedBy,
} from './power-book.ts';
export {
  assertPast,
  entryAt,
  keptCheckpoints,
  nextCheckpoint,
  type PowerCheckpoint,
  pastPower,
  withCheckpoint,
} from './power-checkpoints.ts';
export {
  isInSnapshot,
  type PowerEntry,
  type PowerSnapshot,
  type PublishedSnapshot,
  powerSnapshot,
  type SnapshotHead,
} from './power-snapshot.ts';
export {
  advance,
  type CastVote,
  cancel,
  castVote,
  isCarried,
  isEnded,
  type Opening,
  type OpeningPower,
  openingOf,
  type ProposalContext,
  type ProposalRequest,
  propose,
  type Step,
  veto,
} from './proposal-machine.ts';
export {
  type Clock,
  type GovernanceTransfer,
  type Grant,
  openZeppelinTerms,
  PROPOSAL_KINDS,
  PROPOSAL_STATES,
  type Proposal,
  type ProposalAction,
  type ProposalContent,
  type ProposalKind,
  type ProposalState,
  type ProposalTerms,
  proposalIdOf,
  termsOf,
  WEIGHINGS,
  type Weighing,
} from './proposals.ts';
export {
  type PublishedBallot,
  RECOUNT_FAULTS,
  type Recount,
  type RecountFault,
  type RecountFaultKind,
  recount,
} from './recount.ts';
export { delegatesThatCount, lockEnd, lockedUntil } from './stake-lock.ts';
