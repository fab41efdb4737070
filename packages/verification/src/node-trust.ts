/**
 * What is known of a node's results in one runtime. A record is kept per (node, runtime): a machine may compute wasm
 * well and have a broken GPU.
 *
 *     unknown --validated--> ... --(10th in a row)--> proven
 *        ^                                              |
 *        +----------------- found invalid --------------+   the results that nobody checked are to be checked again
 *
 * Found invalid is a result that a quorum, a trusted node or a known answer contradicts. A mere mismatch proves nothing
 * about either side and is only counted.
 */
import { z } from 'zod';
import { nodeCredibility } from './credibility.ts';
import { VERIFICATION_LIMITS } from './limits.ts';

const countSchema = z.int().nonnegative();

export const resultReferenceSchema = z.strictObject({
  job: z.string(),
  partition: z.int().nonnegative(),
  fence: z.int().min(1),
});
/** Names an attempt whose result was accepted. */
export type ResultReference = z.infer<typeof resultReferenceSchema>;

export const nodeTrustSchema = z.strictObject({
  /** Valid results since the node was new, or was last found invalid. */
  consecutiveValid: countSchema,
  valid: countSchema,
  invalid: countSchema,
  /** Results of tasks on which the replicas could not agree. */
  inconclusive: countSchema,
  mismatches: countSchema,
  spotChecksPassed: countSchema,
  spotChecksFailed: countSchema,
  /** The last accepted results that nobody checked, the oldest first. */
  unreplicated: z.array(resultReferenceSchema).max(VERIFICATION_LIMITS.unreplicatedResults),
});
/** Plain data; stored as JSON. */
export type NodeTrust = z.infer<typeof nodeTrustSchema>;

export interface FoundInvalid {
  trust: NodeTrust;
  /** Accepted results of the node to verify again, the newest first: a liar's last results are its worst. */
  reverify: ResultReference[];
}

export function unknownNode(): NodeTrust {
  return {
    consecutiveValid: 0,
    valid: 0,
    invalid: 0,
    inconclusive: 0,
    mismatches: 0,
    spotChecksPassed: 0,
    spotChecksFailed: 0,
    unreplicated: [],
  };
}

/** A quorum or a trusted node confirmed a new result. */
export function validated(trust: NodeTrust): NodeTrust {
  return { ...trust, consecutiveValid: trust.consecutiveValid + 1, valid: trust.valid + 1 };
}

/**
 * An old result was verified again and is right. It counts, but not towards trust: the node was under suspicion, and
 * what it did before that must not win its standing back.
 */
export function confirmedAgain(trust: NodeTrust): NodeTrust {
  return { ...trust, valid: trust.valid + 1 };
}

export function foundInvalid(trust: NodeTrust): FoundInvalid {
  return {
    trust: { ...trust, consecutiveValid: 0, invalid: trust.invalid + 1, unreplicated: [] },
    reverify: trust.unreplicated.toReversed(),
  };
}

export function mismatched(trust: NodeTrust): NodeTrust {
  return { ...trust, mismatches: trust.mismatches + 1 };
}

export function leftInconclusive(trust: NodeTrust): NodeTrust {
  return { ...trust, inconclusive: trust.inconclusive + 1 };
}

export function passedSpotCheck(trust: NodeTrust): NodeTrust {
  return { ...validated(trust), spotChecksPassed: trust.spotChecksPassed + 1 };
}

export function failedSpotCheck(trust: NodeTrust): FoundInvalid {
  const found = foundInvalid(trust);
  return { ...found, trust: { ...found.trust, spotChecksFailed: trust.spotChecksFailed + 1 } };
}

/**
 * The node bound itself to a result and then would not show it. That proves no lie, but a liar that sees itself checked
 * does the same: its standing starts anew.
 */
export function withheld(trust: NodeTrust): NodeTrust {
  return { ...trust, consecutiveValid: 0 };
}

/** A result was accepted from this node alone. The oldest reference makes room. */
export function acceptedUnreplicated(trust: NodeTrust, reference: ResultReference): NodeTrust {
  const kept = [...trust.unreplicated, reference].slice(-VERIFICATION_LIMITS.unreplicatedResults);
  return { ...trust, unreplicated: kept };
}

/** For placement: `proven` nodes may adjudicate, and save replicas. */
export type Standing = 'unknown' | 'proven' | 'suspect';

export function standingOf(trust: NodeTrust): Standing {
  if (trust.consecutiveValid >= VERIFICATION_LIMITS.provenAfterValid) return 'proven';
  return trust.invalid > 0 ? 'suspect' : 'unknown';
}

/** For placement: 0 to 1, the probability that the node's next result is right. Grows with each valid result. */
export function credibilityOf(trust: NodeTrust): number {
  return nodeCredibility(trust.consecutiveValid);
}
