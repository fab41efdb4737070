/**
 * What proves that a result is wrong: that a deterministic task was run again, by the coordinator or by arbiters that it
 * drew, with another result. Nothing else does. Nodes that disagree prove nothing about either side, so whoever is in
 * the minority of a quorum loses pay and reputation, and no bond: otherwise a majority that colludes could rob the rest.
 */
import { FogError } from '@fog/contract';
import { assertAmount, assertPpm } from '../amounts.ts';
import { type ArbiterDraw, drawArbiters } from './arbiters.ts';
import { assertName, assertTime } from './checks.ts';
import type { StakingParameters } from './parameters.ts';

/** One attempt, whose result its node has signed. */
export interface FaultyAttempt {
  job: string;
  partition: number;
  fence: number;
  /** Owner of the node, by the lease. */
  validator: string;
  buyer: string;
  /** When the result was delivered; milliseconds since 1970. */
  deliveredAt: number;
  /** Whether the runtime and the job promise the same result each time. */
  isDeterministic: boolean;
  /** Of the result that was signed, hex. */
  claimedDigest: string;
}

export type Evidence = { attempt: FaultyAttempt } & (
  | { kind: 'coordinator-run'; digest: string }
  /** The seed is random, made after the result was delivered. */
  | ({ kind: 'arbiter-runs'; runs: readonly ArbiterRun[] } & ArbiterDraw)
);

export interface ArbiterRun {
  arbiter: string;
  digest: string;
}

/** Evidence, with what the terms of the job, frozen when it was submitted, say of it. */
export interface FaultClaim {
  evidence: Evidence;
  /** What the validator had at stake when it got the lease, as the coordinator wrote it down then. */
  stakeAtLease: bigint;
  /** Of that. */
  slashPpm: bigint;
  /** Of what is left after the compensation; the rest burns. */
  insurancePpm: bigint;
  paidForTask: bigint;
}

/** Names the attempt, and so the fault: it is slashed once. */
export function faultOf({ job, partition, fence }: Pick<FaultyAttempt, 'job' | 'partition' | 'fence'>): string {
  return `${job}/${partition}/${fence}`;
}

/**
 * Throws unless the evidence proves a fault: `invalid-request` for evidence of another kind, of a task that is not
 * deterministic, of a result that is right, by arbiters that were not drawn or do not agree; `conflict` for a fault of
 * too long ago or still to come.
 */
export function assertProof(
  { evidence, stakeAtLease, slashPpm, insurancePpm, paidForTask }: FaultClaim,
  now: number,
  { evidenceAgeMilliseconds, arbiters }: StakingParameters,
): void {
  const { attempt } = evidence;
  assertAttempt(attempt);
  assertAmount(stakeAtLease, { what: 'the stake at the lease' });
  assertAmount(paidForTask, { what: 'what was paid for the task' });
  assertPpm(slashPpm, 'the share that is slashed');
  assertPpm(insurancePpm, 'the share of the insurance');
  if (now - attempt.deliveredAt > evidenceAgeMilliseconds || attempt.deliveredAt > now) {
    throw new FogError(
      'conflict',
      `${faultOf(attempt)} is a fault of ${attempt.deliveredAt}: too old, or still to come`,
      {
        details: { deliveredAt: attempt.deliveredAt, now, evidenceAgeMilliseconds },
      },
    );
  }
  if (attempt.isDeterministic !== true) throw noProof('two runs of a task that is not deterministic may differ');
  const digest = agreedDigest(evidence, arbiters);
  assertName(digest, 'the digest of the run');
  if (digest === attempt.claimedDigest) throw noProof('the result is right');
}

function agreedDigest(evidence: Evidence, count: number): string {
  if (evidence.kind === 'coordinator-run') return evidence.digest;
  if (evidence.kind !== 'arbiter-runs') {
    throw noProof(`"${(evidence as { kind: unknown }).kind}" is no kind of evidence`);
  }
  const { attempt, runs, parties } = evidence;
  // Whoever forgets to name them: nobody judges its own matter.
  const owners = [...parties.owners, attempt.validator, attempt.buyer];
  const drawn = drawArbiters(attempt, { ...evidence, parties: { ...parties, owners } }, count);
  const ran = new Set(runs.map(({ arbiter }) => arbiter));
  if (runs.length !== count || !drawn.every((name) => ran.has(name))) {
    throw noProof(`the draw names ${drawn.join(', ')}, and each of them has to run the task once`);
  }
  const digests = new Set(runs.map(({ digest }) => digest));
  const [digest] = digests;
  if (digests.size !== 1 || digest === undefined) throw noProof('the arbiters do not agree');
  return digest;
}

function assertAttempt({ job, partition, fence, validator, buyer, deliveredAt, claimedDigest }: FaultyAttempt): void {
  assertName(job, 'the job');
  assertName(validator, 'the owner of the node');
  assertName(buyer, 'the buyer');
  assertName(claimedDigest, 'the digest that was claimed');
  assertTime(partition, 'the partition');
  assertTime(fence, 'the fence');
  assertTime(deliveredAt, 'the time of delivery');
}

function noProof(why: string): FogError {
  return new FogError('invalid-request', `this proves no wrong result: ${why}`, {
    hint: 'the coordinator, or arbiters that it draws, have to run a deterministic task again',
  });
}
