/** What is stored of the verification of one task, what can happen to it, and what can follow. Plain data throughout. */
import { type Digest, digestSchema } from '@fog/contract';
import { z } from 'zod';
import { commitRoundSchema, type RefusalReason } from './commitment.ts';
import { VERIFICATION_LIMITS } from './limits.ts';
import type { Exclusions, ReplicaHolder } from './quorum.ts';

const { replicas: MOST_REPLICAS, failedReplicas: MOST_FAILED } = VERIFICATION_LIMITS;

const fenceSchema = z.int().min(1);

export const replicaSchema = z.strictObject({
  nodeId: z.string(),
  owner: z.string(),
  prefix: z.string(),
  fence: fenceSchema,
  /** Index of its commit-reveal round. */
  round: z.int().nonnegative(),
  /** Of the node when it got the lease. */
  credibility: z.number().min(0).max(1),
  /** Null until it is revealed. */
  digest: digestSchema.nullable(),
});
export type Replica = z.infer<typeof replicaSchema>;

const comparisonSchema = z.strictObject({
  left: digestSchema,
  right: digestSchema,
  /** Null while the comparator has not answered. */
  agree: z.boolean().nullable(),
});

/** A result, and the lease it came from. */
const acceptedSchema = z.strictObject({ digest: digestSchema, fence: fenceSchema });

export const taskVerificationSchema = z.strictObject({
  phase: z.enum(['collecting', 'adjudicating', 'accepted', 'undecided']),
  /** Whether one result is enough; null until the first lease decides it. */
  single: z.boolean().nullable(),
  /** Replicas that were asked for and are not leased yet. */
  requested: z.int().nonnegative().max(MOST_REPLICAS),
  /** Of the newest lease; older ones are not taken. */
  lastFence: z.int().nonnegative(),
  /** Failed ones are removed. The order is that of the reveals, running ones last. */
  replicas: z.array(replicaSchema).max(MOST_REPLICAS),
  rounds: z.array(commitRoundSchema).max(MOST_REPLICAS + MOST_FAILED + 1),
  failures: z.int().nonnegative(),
  comparisons: z.array(comparisonSchema).max((MOST_REPLICAS + 1) ** 2),
  /** What the trusted node found, while that is still compared with the results. */
  adjudicated: acceptedSchema.nullable(),
  /** Stays while an accepted task is verified again. */
  accepted: acceptedSchema.nullable(),
  /** While an accepted task is verified again: the fences of the results it had. */
  reopenedWith: z.array(fenceSchema).max(MOST_REPLICAS),
});
export type TaskVerification = z.infer<typeof taskVerificationSchema>;

export type VerificationEvent =
  /** A node got the task. `random`: a fresh number in [0, 1). */
  | ({
      kind: 'leased';
      fence: number;
      credibility: number;
      consecutiveValid: number;
      random: number;
    } & ReplicaHolder)
  | { kind: 'committed'; fence: number; commitment: string }
  | { kind: 'revealed'; fence: number; digest: Digest; nonce: string }
  /** Failed without a result, lost, declined. */
  | { kind: 'failed'; fence: number }
  /** The time to commit of this round is over. */
  | { kind: 'deadline'; round: number }
  /** A comparator answered. */
  | { kind: 'compared'; left: Digest; right: Digest; agree: boolean }
  /** A trusted node has run the task, under a fence of its own. */
  | { kind: 'adjudicated'; fence: number; digest: Digest }
  | { kind: 'adjudication-impossible' }
  /** The node that computed the accepted result alone was found out, or the known answer made of it is in doubt. */
  | { kind: 'reopened' };

export type VerificationDecision =
  /** Lease the task to `count` more nodes, to none of these owners and prefixes. */
  | ({ kind: 'replicate'; count: number } & Exclusions)
  /** Ask these for digest and nonce. */
  | { kind: 'reveal'; fences: number[] }
  /** A commitment or reveal was not taken. `commitment-mismatch` has ended the replica. */
  | { kind: 'refused'; fence: number; reason: RefusalReason }
  /** It committed and then would not reveal, or not what it committed to: its trust starts anew. */
  | { kind: 'withheld'; fence: number }
  /** These attempts are of no use any more: too late, or the task is decided. Cancel them. */
  | { kind: 'superfluous'; fences: number[] }
  /** These disagree; nothing is known yet about who is right. */
  | { kind: 'mismatch'; fences: number[] }
  /** Run the comparator on these pairs. */
  | { kind: 'compare'; pairs: { left: Digest; right: Digest }[] }
  | AcceptDecision
  /** The replicas cannot agree: run it on a trusted node, of none of these owners and prefixes where possible. */
  | ({ kind: 'adjudicate'; inconclusive: number[] } & Exclusions)
  /** The task fails. */
  | { kind: 'give-up'; reason: 'inconclusive' | 'replicas-failed' };

export interface AcceptDecision {
  kind: 'accept';
  digest: Digest;
  /** The lease whose outputs are the task's. */
  fence: number;
  /** Fences of the results that agree with it, and of those that do not. */
  valid: number[];
  invalid: number[];
  /** Fences of results that agree, and that the task had already when it was verified again. */
  confirmedAgain: number[];
  /** Nobody checked it: it belongs into the node's list of such results. */
  isUnreplicated: boolean;
  /** The task was verified again, and what had been accepted before is wrong. */
  isCorrection: boolean;
}

export interface VerificationStep {
  state: TaskVerification;
  decisions: VerificationDecision[];
}

/** A new task: its first lease is asked for. */
export function newTaskVerification(): TaskVerification {
  return {
    phase: 'collecting',
    single: null,
    requested: 1,
    lastFence: 0,
    replicas: [],
    rounds: [],
    failures: 0,
    comparisons: [],
    adjudicated: null,
    accepted: null,
    reopenedWith: [],
  };
}
