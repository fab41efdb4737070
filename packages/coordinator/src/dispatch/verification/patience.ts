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
function placePatience({ phase }: TaskVerificationState): number {
  const { adjudicatorPatienceMilliseconds, replicaPatienceMilliseconds } = DISPATCH_LIMITS;
  return phase === 'adjudicating' ? adjudicatorPatienceMilliseconds : replicaPatienceMilliseconds;
}

/** It begins to want a node. */
export function beginToWant(record: VerificationRecord, now: number): void {
  record.wantedSince = now;
  record.placeDue = now + DISPATCH_LIMITS.placeLookMilliseconds;
  record.unplaceable = null;
}

export function wantNoMore(record: VerificationRecord): void {
  record.wantedSince = record.placeDue = record.unplaceable = null;
}

/**
 * Takes in whether some node may take the task now. Answers whether nobody could for a whole patience of looks: one look
 * may meet the moment at which a link is down, and before nodes have come back after a start it tells nothing.
 */
export function isGivenUp(
  record: VerificationRecord,
  isPlaceable: boolean,
  { now, listeningSince }: { now: number; listeningSince: number },
): boolean {
  const { placeLookMilliseconds, placeLooksApartMilliseconds, roundPatienceMilliseconds } = DISPATCH_LIMITS;
  const before = record.unplaceable;
  record.unplaceable = null;
  record.placeDue = now + (isPlaceable ? roundPatienceMilliseconds : placeLookMilliseconds);
  if (isPlaceable) return false;
  const isWatched = before !== null && before.seen <= now && before.seen + placeLooksApartMilliseconds >= now;
  const since = Math.max(isWatched ? before.since : now, listeningSince);
  if (since + placePatience(record.state) <= now) return true;
  record.unplaceable = { since, seen: now };
  return false;
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
