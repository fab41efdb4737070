/** What is stored of the verification of one task, what can happen to it, and what can follow. Plain data throughout. */
import { type Digest, digestSchema, LIMITS } from '@fog/contract';
import { z } from 'zod';
import { commitmentSchema } from './commitment.ts';
import { VERIFICATION_LIMITS } from './limits.ts';
import type { NodeTrust, Verdict } from './node-trust.ts';
import type { Exclusions, ReplicaHolder } from './quorum.ts';

const { replicas: MOST_RESULTS } = LIMITS;
const { failedReplicas: MOST_FAILED } = VERIFICATION_LIMITS;
/** With the one result that a task may have when it is verified again. */
const MOST_REPLICAS = MOST_RESULTS + 1;

const fenceSchema = z.int().min(1);

export const replicaSchema = z.strictObject({
  nodeId: z.string(),
  owner: z.string(),
  prefix: z.string(),
  fence: fenceSchema,
  /** Its commit-reveal round. */
  round: z.int().nonnegative(),
  /** Of the node when it got the lease. */
  credibility: z.number().min(0).max(1),
  /** Null while it computes. */
  commitment: commitmentSchema.nullable(),
  /** Null until it is revealed. */
  digest: digestSchema.nullable(),
});
export type Replica = z.infer<typeof replicaSchema>;

const comparisonSchema = z.strictObject({
  left: digestSchema,
  right: digestSchema,
  /** Null while the comparator has not answered. */
  /** Null while it is asked for; `unknown`: nobody could compare them. */
  agree: z.union([z.boolean(), z.literal('unknown')]).nullable(),
});

/** A result, and the lease it came from. */
const resultSchema = z.strictObject({ digest: digestSchema, fence: fenceSchema });

export const taskVerificationStateSchema = z.strictObject({
  version: z.literal(1),
  phase: z.enum(['collecting', 'adjudicating', 'accepted', 'undecided']),
  /** Whether one result is enough; null until the first lease decides it. */
  single: z.boolean().nullable(),
  /** Replicas that were asked for and are not leased yet. */
  requested: z.int().nonnegative().max(MOST_RESULTS),
  /** Of the newest lease; older ones are not taken. */
  lastFence: z.int().nonnegative(),
  /** In the order of the reveals, running ones last. Failed ones are removed. */
  replicas: z.array(replicaSchema).max(MOST_REPLICAS),
  /** The round that replicas join and commit in. Those of earlier rounds reveal, or have done so. */
  round: z.int().nonnegative(),
  /** Replicas that ended without a result. */
  failures: z.int().nonnegative(),
  /** Who withheld a result of this task: they get no other chance at it. */
  withheldBy: z.array(z.strictObject({ owner: z.string(), prefix: z.string() })).max(2 * (MOST_FAILED + 1)),
  comparisons: z.array(comparisonSchema).max((MOST_REPLICAS + 1) ** 2),
  /** What the trusted node found, while that is still compared with the results. */
  adjudicated: resultSchema.nullable(),
  /** `by`: one node that nobody checked, a quorum (and credibility, where asked for), or a trusted node. */
  accepted: resultSchema.extend({ by: z.enum(['alone', 'quorum', 'trusted']) }).nullable(),
  /** Fences of results that are under suspicion while the task is verified again: judged, but without a vote. */
  suspects: z.array(fenceSchema).max(MOST_REPLICAS),
});
export type TaskVerificationState = z.infer<typeof taskVerificationStateSchema>;

export type VerificationEvent =
  /** The node got the task. `trust`: its record now; `random`: a fresh number in [0, 1). */
  | ({ kind: 'leased'; fence: number; trust: Pick<NodeTrust, 'consecutiveValid'>; random: number } & ReplicaHolder)
  | { kind: 'committed'; fence: number; commitment: string }
  /** The caller has verified the signature of the result. */
  | { kind: 'revealed'; fence: number; digest: Digest; nonce: string }
  /** Failed without a result, lost, declined. */
  | { kind: 'failed'; fence: number }
  /** The time of this round is over: to commit, or after it opened to reveal. */
  | { kind: 'deadline'; round: number; of: 'commit' | 'reveal' }
  /** No node may take the replicas that are asked for, and none is expected to come. */
  | { kind: 'unplaceable' }
  /** A comparator answered. */
  | { kind: 'compared'; left: Digest; right: Digest; agree: boolean | 'unknown' }
  /** A trusted node has run the task, under a fence of its own. */
  | { kind: 'adjudicated'; fence: number; digest: Digest }
  /** There is no trusted node, or it cannot run the task. */
  | { kind: 'adjudication-impossible' }
  /** The node that computed the accepted result alone was found out, or the known answer made of it is disputed. */
  | { kind: 'reopened' };

/** What to do, in this order. */
export type VerificationAction =
  /** Lease the task to `count` more nodes, to none of these owners and prefixes (`mayRun` tells for one node). */
  | { kind: 'place-replicas'; count: number; excluding: Exclusions }
  /** Open the commitments of this round: ask these for digest, nonce and signature. */
  | { kind: 'open-commitments'; round: number; fences: number[] }
  /** This message was not taken. `commitment-mismatch` has ended the replica. */
  | { kind: 'refuse'; fence: number; reason: RefusalReason }
  /** These attempts are of no use any more: too late, or the task is decided. */
  | { kind: 'cancel'; fences: number[] }
  /** Run the comparator on these pairs, and answer each with `compared`. */
  | { kind: 'compare'; pairs: { left: Digest; right: Digest }[] }
  /** The outputs of this lease are the task's. `isCorrection`: others had been accepted before, and are wrong. */
  | { kind: 'accept'; fence: number; digest: Digest; isCorrection: boolean }
  /** Run the task on a trusted node, of none of these owners and prefixes where possible. */
  | { kind: 'adjudicate'; excluding: Exclusions }
  /** The task fails. */
  | { kind: 'fail'; reason: 'inconclusive' | 'replicas-failed' };

export type RefusalReason =
  | 'malformed-commitment'
  | 'already-committed'
  | 'not-committed'
  | 'round-not-open'
  | 'commitment-mismatch';

/** For `recordVerdict`. */
export interface VerificationVerdict {
  fence: number;
  nodeId: string;
  verdict: Verdict;
}

export interface VerificationStep {
  state: TaskVerificationState;
  actions: VerificationAction[];
  verdicts: VerificationVerdict[];
}

/** A new task: its first lease is asked for. */
export function newTaskVerification(): TaskVerificationState {
  return {
    version: 1,
    phase: 'collecting',
    single: null,
    requested: 1,
    lastFence: 0,
    replicas: [],
    round: 0,
    failures: 0,
    withheldBy: [],
    comparisons: [],
    adjudicated: null,
    accepted: null,
    suspects: [],
  };
}
