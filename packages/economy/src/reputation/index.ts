/**
 * @fog/economy/reputation: how far the results of an owner and its nodes can be relied on at least.
 *
 * Pure. `evidenceOf` for each verdict, `recordEvidence` for what comes of it, into the records of the node in its runtime
 * and of its owner; `placementReputation` when a task is placed, `relayReputationPpm` for the lottery. What is stored is
 * `ReputationRecord`: plain JSON.
 */
export { dayOf } from './decay.ts';
export { type Check, type CheckVerdict, evidenceOf } from './evidence.ts';
export { REPUTATION_LIMITS } from './limits.ts';
export {
  type Evidence,
  FINDINGS,
  type Finding,
  type RankOptions,
  type ReputationRecord,
  readReputation,
  recordEvidence,
  reputationOf,
  rightResults,
  takenOver,
  unknownReputation,
  valueClass,
  writeReputation,
} from './record.ts';
export { NEW_RELAY_PPM, placementReputation, relayReputationPpm, STRANGER_PPM, worstReputation } from './uses.ts';
