/**
 * Hidden checks with a known answer.
 *
 * A task whose replicas all agreed, on nodes credible enough, becomes a known answer. Now and then a proven node gets
 * it in place of new work. For the node it is a task like any other: the coordinator gives it a new job and task id and
 * the same specification and inputs. An answer is never put to an owner or a network that has met the task before, and
 * it retires after some uses. Nodes that are not proven need no spot checks: all they do is replicated.
 *
 * Only tasks with exact comparison become known answers: their digest is the answer.
 *
 * If two independent nodes give the same other answer, the known answer itself is in doubt: it is dropped, neither
 * more nodes are condemned by it, and the task it came from is to be verified again.
 */
import { digestSchema } from '@fog/contract';
import { z } from 'zod';
import { VERIFICATION_LIMITS } from './limits.ts';
import { type NodeTrust, standingOf } from './node-trust.ts';
import { credibilityAgainst, type ReplicaHolder, type ReplicaResult } from './quorum.ts';

const deviationSchema = z.strictObject({ digest: digestSchema, owner: z.string(), prefix: z.string() });

/** Who made the answer and who was asked: at most the replicas of the task and the uses of the answer. */
const witnessesSchema = z.array(z.string()).max(VERIFICATION_LIMITS.replicas + VERIFICATION_LIMITS.usesOfKnownAnswer);

export const knownAnswerSchema = z.strictObject({
  /** The task that the answer comes from. */
  job: z.string(),
  partition: z.int().nonnegative(),
  digest: digestSchema,
  owners: witnessesSchema,
  prefixes: witnessesSchema,
  uses: z.int().nonnegative(),
  deviations: z.array(deviationSchema).max(VERIFICATION_LIMITS.usesOfKnownAnswer),
});
/** Plain data; stored as JSON. */
export type KnownAnswer = z.infer<typeof knownAnswerSchema>;

export const spotCheckSchema = z.strictObject({
  job: z.string(),
  partition: z.int().nonnegative(),
  expected: digestSchema,
  nodeId: z.string(),
  owner: z.string(),
  prefix: z.string(),
});
/** One check under way. The coordinator keeps it beside the task it made for it, where no node sees it. */
export type SpotCheck = z.infer<typeof spotCheckSchema>;

export interface IssuedSpotCheck {
  answers: KnownAnswer[];
  check: SpotCheck;
}

export interface SpotCheckVerdict {
  answers: KnownAnswer[];
  /** `disputed`: says nothing of the node; verify the task (job, partition) of the check again. */
  verdict: 'passed' | 'failed' | 'disputed';
}

/**
 * The known answer that an accepted task makes, or null when it makes none: it ran alone, its replicas disagreed, or
 * their nodes are not credible enough.
 */
export function knownAnswerOf(
  task: { job: string; partition: number },
  valid: readonly ReplicaResult[],
  invalid: readonly ReplicaResult[],
): KnownAnswer | null {
  const [first] = valid;
  if (first === undefined || valid.length < 2 || invalid.length > 0) return null;
  if (valid.some(({ digest }) => digest !== first.digest)) return null;
  const credibility = credibilityAgainst(valid, [], () => true);
  if (credibility < VERIFICATION_LIMITS.knownAnswerCredibility) return null;
  return {
    job: task.job,
    partition: task.partition,
    digest: first.digest,
    owners: valid.map(({ owner }) => owner),
    prefixes: valid.map(({ prefix }) => prefix),
    uses: 0,
    deviations: [],
  };
}

/** The oldest answer makes room. */
export function rememberAnswer(answers: readonly KnownAnswer[], answer: KnownAnswer): KnownAnswer[] {
  return [...answers, answer].slice(-VERIFICATION_LIMITS.knownAnswers);
}

/**
 * Decides whether the node's next lease is a spot check. `share`: of the policy of the job it would otherwise get.
 * `random`: two fresh numbers in [0, 1), for whether and for which.
 */
export function issueSpotCheck(
  answers: readonly KnownAnswer[],
  holder: ReplicaHolder,
  trust: NodeTrust,
  share: number,
  random: { whether: number; which: number },
): IssuedSpotCheck | null {
  if (random.whether >= share || standingOf(trust) !== 'proven') return null;
  const { nodeId, owner, prefix } = holder;
  const fitting = answers.filter(
    (answer) =>
      answer.uses < VERIFICATION_LIMITS.usesOfKnownAnswer &&
      !answer.owners.includes(owner) &&
      !answer.prefixes.includes(prefix),
  );
  const chosen = fitting[Math.floor(random.which * fitting.length)];
  if (chosen === undefined) return null;
  const { job, partition, digest: expected } = chosen;
  const used: KnownAnswer = {
    ...chosen,
    uses: chosen.uses + 1,
    owners: [...chosen.owners, owner],
    prefixes: [...chosen.prefixes, prefix],
  };
  return {
    answers: answers.map((answer) => (answer === chosen ? used : answer)),
    check: { job, partition, expected, nodeId, owner, prefix },
  };
}

/** An answer that was dropped meanwhile still judges; then it can no longer come into doubt. */
export function judgeSpotCheck(answers: readonly KnownAnswer[], check: SpotCheck, digest: string): SpotCheckVerdict {
  const unchanged = [...answers];
  if (digest === check.expected) return { answers: unchanged, verdict: 'passed' };
  const isOrigin = ({ job, partition }: KnownAnswer) => job === check.job && partition === check.partition;
  const answer = answers.find(isOrigin);
  if (answer === undefined) return { answers: unchanged, verdict: 'failed' };
  const { owner, prefix } = check;
  const isSeconded = answer.deviations.some(
    (deviation) => deviation.digest === digest && deviation.owner !== owner && deviation.prefix !== prefix,
  );
  if (isSeconded) return { answers: answers.filter((other) => other !== answer), verdict: 'disputed' };
  const doubted = { ...answer, deviations: [...answer.deviations, { digest, owner, prefix }] };
  return { answers: answers.map((other) => (other === answer ? doubted : other)), verdict: 'failed' };
}
