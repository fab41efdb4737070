/** How long a verified task waits for nodes, and since when that counts. Pure. */
import { type JobSpec, parseDuration } from '@fog/contract';
import type { TaskVerificationState } from '@fog/verification';
import { DISPATCH_LIMITS } from '../../limits.ts';
import type { VerificationRecord } from './record.ts';

/** From the last lease of a round to its end, whoever has committed by then. */
export function commitPatience({ spec: { timeouts, disconnect } }: JobSpec): number {
  return (
    parseDuration(timeouts.attempt) + parseDuration(disconnect.lostAfter) + DISPATCH_LIMITS.commitSlackMilliseconds
  );
}

/** From the question for a result to the end of the wait for it. */
export function revealPatience({ spec: { disconnect } }: JobSpec): number {
  return parseDuration(disconnect.lostAfter) + DISPATCH_LIMITS.revealMilliseconds;
}

/** For a node that may take what the task wants. */
export function placePatience({ phase }: TaskVerificationState): number {
  const { adjudicatorPatienceMilliseconds, replicaPatienceMilliseconds } = DISPATCH_LIMITS;
  return phase === 'adjudicating' ? adjudicatorPatienceMilliseconds : replicaPatienceMilliseconds;
}

/**
 * While no coordinator listened, nobody could commit to a result or show it: commitments that nodes have made meanwhile
 * come with them, and a result is asked for again.
 */
export function grantMissedTime(record: VerificationRecord, spec: JobSpec, listeningSince: number): void {
  if (record.commitDue !== null) record.commitDue = Math.max(record.commitDue, listeningSince);
  const revealDue = listeningSince + revealPatience(spec);
  record.reveals = record.reveals.map(({ round, due }) => ({ round, due: Math.max(due, revealDue) }));
}
