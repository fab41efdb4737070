/**
 * Hidden checks with a known answer.
 *
 * A task whose replicas all agreed, on nodes credible enough, becomes a known answer. Now and then a proven node gets
 * it in place of new work. For the node it is a task like any other: the coordinator gives it a new job and task id and
 * the same specification and inputs, and runs it as a task of its own under `SPOT_CHECK_POLICY`: commit and reveal go
 * as for a task that runs alone. An answer is never put to an owner or a network that has met the task before, and it
 * retires after some uses. Nodes that are not proven need no spot checks: all they do is replicated.
 *
 *     answer    fresh --issued--> used ... --(most uses)--> retired        --two equal other answers--> dropped
 *
 * Only tasks with exact comparison become known answers: their digest is the answer.
 *
 * If two independent nodes give the same other answer, the known answer itself is in doubt: it is dropped, no more
 * nodes are condemned by it, and the task it came from is to be verified again.
 */
import { type Digest, digestSchema, LIMITS, type VerificationPolicy, verificationPolicySchema } from '@fog/contract';
import { z } from 'zod';
import { groupCredibilities } from './credibility.ts';
import { VERIFICATION_LIMITS } from './limits.ts';
import { type NodeTrust, standingOf, type TaskReference, taskReferenceSchema } from './node-trust.ts';
import { isExcluded, type ReplicaHolder } from './quorum.ts';
import { resultsOf } from './task-outcome.ts';
import type { TaskVerificationState } from './task-verification-state.ts';

const deviationSchema = z.strictObject({ digest: digestSchema, owner: z.string(), prefix: z.string() });

/** Who made the answer and who was asked: at most the replicas of the task and the uses of the answer. */
const witnessesSchema = z.array(z.string()).max(LIMITS.resultsPerTask + 1 + VERIFICATION_LIMITS.usesOfKnownAnswer);

export const knownAnswerSchema = z.strictObject({
  version: z.literal(1),
  /** The task that the answer comes from. */
  task: taskReferenceSchema,
  digest: digestSchema,
  owners: witnessesSchema,
  prefixes: witnessesSchema,
  uses: z.int().nonnegative(),
  deviations: z.array(deviationSchema).max(VERIFICATION_LIMITS.usesOfKnownAnswer),
});
/** Plain data, one row each; the newest `knownAnswers` of a runtime are kept, and their inputs with them. */
export type KnownAnswer = z.infer<typeof knownAnswerSchema>;

export const spotCheckSchema = z.strictObject({
  version: z.literal(1),
  /** The task that the answer comes from. */
  task: taskReferenceSchema,
  expected: digestSchema,
  nodeId: z.string(),
  owner: z.string(),
  prefix: z.string(),
});
/** One check under way. The coordinator keeps it beside the task it made for it, where no node sees it. */
export type SpotCheck = z.infer<typeof spotCheckSchema>;

/** Whatever comes is taken: the check is its judge. */
export const SPOT_CHECK_POLICY: VerificationPolicy = verificationPolicySchema.parse({ mode: 'none' });

export interface IssuedSpotCheck {
  /** To be saved in place of the one that was chosen. */
  answer: KnownAnswer;
  check: SpotCheck;
}

export interface JudgedSpotCheck {
  /** To be saved; null: delete it. */
  answer: KnownAnswer | null;
  /** `disputed`: says nothing of the node; verify the task of the check again (event `reopened`). */
  verdict: 'spot-check-passed' | 'spot-check-failed' | 'disputed';
}

/**
 * The known answer that an accepted task makes, or null when it makes none: nobody checked it, its replicas disagreed,
 * or their nodes are not credible enough.
 */
export function knownAnswerOf(task: TaskReference, state: TaskVerificationState): KnownAnswer | null {
  const { phase, accepted } = state;
  if (phase !== 'accepted' || accepted === null || accepted.by === 'alone') return null;
  const results = resultsOf(state);
  if (results.some(({ digest }) => digest !== accepted.digest)) return null;
  const [credibility = 0] = groupCredibilities([results.map((result) => result.credibility)]);
  if (results.length < 2 || credibility < VERIFICATION_LIMITS.knownAnswerCredibility) return null;
  return {
    version: 1,
    task: { job: task.job, partition: task.partition },
    digest: accepted.digest,
    owners: results.map(({ owner }) => owner),
    prefixes: results.map(({ prefix }) => prefix),
    uses: 0,
    deviations: [],
  };
}

/**
 * Decides whether the node's next lease is a spot check. `answers`: those whose job may run on the node. `share`: of
 * the policy of the job it would otherwise get. `random`: two fresh numbers in [0, 1), for whether and for which.
 */
export function issueSpotCheck(
  answers: readonly KnownAnswer[],
  holder: ReplicaHolder,
  trust: NodeTrust,
  share: number,
  random: { whether: number; which: number },
): IssuedSpotCheck | null {
  if (random.whether >= share || standingOf(trust) !== 'proven') return null;
  const fitting = answers.filter(
    (answer) => answer.uses < VERIFICATION_LIMITS.usesOfKnownAnswer && !isExcluded(holder, answer),
  );
  const chosen = fitting[Math.floor(random.which * fitting.length)];
  if (chosen === undefined) return null;
  const { nodeId, owner, prefix } = holder;
  return {
    answer: {
      ...chosen,
      uses: chosen.uses + 1,
      owners: [...chosen.owners, owner],
      prefixes: [...chosen.prefixes, prefix],
    },
    check: { version: 1, task: chosen.task, expected: chosen.digest, nodeId, owner, prefix },
  };
}

/**
 * `answer`: as it is now; null when it made room or was dropped meanwhile: the check still judges, and can no longer
 * come into doubt.
 */
export function judgeSpotCheck(answer: KnownAnswer | null, check: SpotCheck, digest: Digest): JudgedSpotCheck {
  if (digest === check.expected) return { answer, verdict: 'spot-check-passed' };
  if (answer === null) return { answer, verdict: 'spot-check-failed' };
  const { owner, prefix } = check;
  const isSeconded = answer.deviations.some(
    (deviation) => deviation.digest === digest && deviation.owner !== owner && deviation.prefix !== prefix,
  );
  if (isSeconded) return { answer: null, verdict: 'disputed' };
  const deviations = [...answer.deviations, { digest, owner, prefix }];
  return { answer: { ...answer, deviations }, verdict: 'spot-check-failed' };
}
