/**
 * What is known of a node's results in one runtime. A record is kept per (node, runtime): a machine may compute wasm
 * well and have a broken GPU.
 *
 *     unknown --valid--> ... --(10th in a row)--> proven
 *        ^                                          |
 *        +------- found invalid, or withheld -------+   the results that nobody checked are to be checked again
 *
 * Found invalid is a result that a quorum, a trusted node or a known answer contradicts. A mere mismatch proves nothing
 * about either side, so it is no verdict.
 */
import { z } from 'zod';
import { nodeCredibility } from './credibility.ts';
import { VERIFICATION_LIMITS } from './limits.ts';

const countSchema = z.int().nonnegative();

export const taskReferenceSchema = z.strictObject({ job: z.string(), partition: z.int().nonnegative() });
/** Names a task. */
export type TaskReference = z.infer<typeof taskReferenceSchema>;

export const nodeTrustSchema = z.strictObject({
  version: z.literal(1),
  /** Valid results since the node was new, was last found invalid or last withheld. */
  consecutiveValid: countSchema,
  valid: countSchema,
  invalid: countSchema,
  /** Results that it committed to and would not show. */
  withheld: countSchema,
  /** Results of tasks on which nobody could decide. */
  inconclusive: countSchema,
  spotChecksPassed: countSchema,
  spotChecksFailed: countSchema,
  /** The last tasks whose result was accepted from this node alone, the oldest first. */
  unreplicated: z.array(taskReferenceSchema).max(VERIFICATION_LIMITS.unreplicatedResults),
});
/** Plain data; stored as JSON. */
export type NodeTrust = z.infer<typeof nodeTrustSchema>;

export type Verdict =
  /** A quorum or a trusted node confirmed it. */
  | 'valid'
  /** Accepted, and nobody checked it. */
  | 'alone'
  /**
   * A result under suspicion was verified again and is right. It counts, but not towards trust: what the node did
   * before it came under suspicion must not win its standing back.
   */
  | 'cleared'
  /** A quorum or a trusted node contradicts it. */
  | 'invalid'
  /**
   * The node bound itself to a result and then would not show it. That proves no lie, but a liar that sees itself
   * checked does the same: were it spared the consequences, it could lie whenever it sees itself unchecked.
   */
  | 'withheld'
  /** The replicas disagree, and no trusted node could decide. */
  | 'inconclusive'
  | 'spot-check-passed'
  | 'spot-check-failed';

export interface RecordedVerdict {
  trust: NodeTrust;
  /** Tasks to verify again (event `reopened`), the newest first: a liar's last results are its worst. */
  reverify: TaskReference[];
}

export function unknownNode(): NodeTrust {
  return {
    version: 1,
    consecutiveValid: 0,
    valid: 0,
    invalid: 0,
    withheld: 0,
    inconclusive: 0,
    spotChecksPassed: 0,
    spotChecksFailed: 0,
    unreplicated: [],
  };
}

/**
 * What stands for the record of a trusted node that computes a replica: of such nodes none is kept. It weighs more than
 * any nodes that could stand against it, so that no quorum outweighs it.
 */
export const TRUSTED_NODE: Pick<NodeTrust, 'consecutiveValid'> = { consecutiveValid: 1e12 };

/** `task`: what the verdict is about. */
export function recordVerdict(trust: NodeTrust, verdict: Verdict, task: TaskReference): RecordedVerdict {
  const confirmed = { ...trust, consecutiveValid: trust.consecutiveValid + 1, valid: trust.valid + 1 };
  switch (verdict) {
    case 'valid':
      return { trust: confirmed, reverify: [] };
    case 'spot-check-passed':
      return { trust: { ...confirmed, spotChecksPassed: trust.spotChecksPassed + 1 }, reverify: [] };
    case 'cleared':
      return { trust: { ...trust, valid: trust.valid + 1 }, reverify: [] };
    case 'inconclusive':
      return { trust: { ...trust, inconclusive: trust.inconclusive + 1 }, reverify: [] };
    case 'alone':
      return recordAlone(trust, { job: task.job, partition: task.partition });
    case 'invalid':
      return startAnew({ ...trust, invalid: trust.invalid + 1 });
    case 'withheld':
      return startAnew({ ...trust, withheld: trust.withheld + 1 });
    case 'spot-check-failed':
      return startAnew({ ...trust, invalid: trust.invalid + 1, spotChecksFailed: trust.spotChecksFailed + 1 });
  }
}

/** A node that is no longer proven was found out after it got the task; what it still had in hand is no better. */
function recordAlone(trust: NodeTrust, task: TaskReference): RecordedVerdict {
  if (standingOf(trust) !== 'proven') return { trust, reverify: [task] };
  const unreplicated = [...trust.unreplicated, task].slice(-VERIFICATION_LIMITS.unreplicatedResults);
  return { trust: { ...trust, unreplicated }, reverify: [] };
}

function startAnew(trust: NodeTrust): RecordedVerdict {
  return {
    trust: { ...trust, consecutiveValid: 0, unreplicated: [] },
    reverify: trust.unreplicated.toReversed(),
  };
}

/** For placement: `proven` nodes save replicas; `suspect` ones were found out and have not proven themselves since. */
export type Standing = 'unknown' | 'proven' | 'suspect';

export function standingOf(trust: NodeTrust): Standing {
  if (trust.consecutiveValid >= VERIFICATION_LIMITS.provenAfterValid) return 'proven';
  return trust.invalid + trust.withheld > 0 ? 'suspect' : 'unknown';
}

/**
 * For placement: 0 to 1, below the probability that the node's next result is right, as far as its record tells. No more
 * than its present run of valid results vouches for, and no more than its share of right results in all, the next one
 * counted as right.
 */
export function reputationOf(trust: NodeTrust): number {
  const wrong = trust.invalid + trust.withheld;
  return Math.min(credibilityOf(trust), (trust.valid + 1) / (trust.valid + wrong + 1));
}

/** For placement: 0 to 1, the probability that the node's next result is right. Grows with each valid result. */
export function credibilityOf(trust: Pick<NodeTrust, 'consecutiveValid'>): number {
  return nodeCredibility(trust.consecutiveValid);
}
