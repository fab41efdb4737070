/**
 * @fog/verification: whether the results of machines that nobody trusts are right.
 *
 * Pure: time, randomness and storage belong to the caller. In the order of a task's life: `newTaskVerification`,
 * `mayRun` before each lease, `verifyTask` for each event, `recordVerdict` for each verdict of its steps. Beside it,
 * `issueSpotCheck` and `judgeSpotCheck` put known answers to nodes. What is stored is `TaskVerificationState`,
 * `NodeTrust`, `KnownAnswer` and `SpotCheck`: plain JSON, each with its schema.
 */
export { commitmentOf, commitmentSchema, nonceSchema, type Reveal } from './commitment.ts';
export { type Comparator, exactly, withinTolerance } from './comparator.ts';
export { VERIFICATION_LIMITS } from './limits.ts';
export { networkPrefix } from './network-prefix.ts';
export {
  credibilityOf,
  type NodeTrust,
  nodeTrustSchema,
  type RecordedVerdict,
  recordVerdict,
  reputationOf,
  type Standing,
  standingOf,
  type TaskReference,
  TRUSTED_NODE,
  unknownNode,
  type Verdict,
} from './node-trust.ts';
export { type Exclusions, exclusionsOf, isExcluded, type ReplicaHolder } from './quorum.ts';
export {
  type CanonicalOutput,
  type CanonicalResult,
  type ResultClaim,
  resultDigest,
  resultSigningInput,
  verifyResultSignature,
} from './result-digest.ts';
export {
  type IssuedSpotCheck,
  issueSpotCheck,
  type JudgedSpotCheck,
  judgeSpotCheck,
  type KnownAnswer,
  knownAnswerOf,
  knownAnswerSchema,
  SPOT_CHECK_POLICY,
  type SpotCheck,
  spotCheckSchema,
} from './spot-checks.ts';
export { excludedFrom, runningOf } from './task-outcome.ts';
export { taskResult } from './task-result.ts';
export { mayRun, verifyTask } from './task-verification.ts';
export {
  newTaskVerification,
  type Replica,
  type TaskVerificationState,
  taskVerificationStateSchema,
  type VerificationAction,
  type VerificationEvent,
  type VerificationStep,
  type VerificationVerdict,
} from './task-verification-state.ts';
