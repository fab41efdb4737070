/**
 * Until when stake that voted stays bonded: until what it decided can be done, so that nobody votes for what he does not
 * want to live with. Stake has voted when its owner's delegate cast a ballot, the owner himself or another; whoever
 * delegates is bound by what the delegate does.
 *
 * Ask before stake begins to leave, and again before it is released: a vote lasts no longer than unbonding takes, so that
 * stake which began to leave after the snapshot is still there when its ballot is cast, and can be held.
 */
import type { Proposal } from './proposals.ts';

/**
 * Whose ballots count an owner's stake: the delegates at the two ticks that decide. One of them is enough to be bound,
 * though only stake that both ticks have together is counted for sure.
 */
export function delegatesThatCount(
  { weighing }: Proposal['terms'],
  delegates: { before: string | null; atSnapshot: string | null },
): string[] {
  const both = weighing === 'snapshot' ? [delegates.atSnapshot] : [delegates.before, delegates.atSnapshot];
  return [...new Set(both)].filter((delegate) => delegate !== null);
}

/**
 * When the stake that voted on a proposal is free again, in milliseconds; null when nothing holds it. While the vote is
 * open its end is not known, and the latest possible one is told.
 */
export function lockEnd(proposal: Proposal, nowMilliseconds: number): number | null {
  const { state, terms, votesUntilMilliseconds, quorumReachedAtMilliseconds, executableAtMilliseconds } = proposal;
  if (state === 'queued') return executableAtMilliseconds;
  if (state !== 'active') return null;
  const extension = quorumReachedAtMilliseconds === null ? terms.lateQuorumMilliseconds : 0;
  // The timelock begins when the vote is found to be over, which may be later than its deadline.
  const latestEnd = Math.max((votesUntilMilliseconds ?? 0) + extension, nowMilliseconds);
  return latestEnd + (terms.timelockMilliseconds ?? 0);
}

/**
 * Until when an owner's stake may not be unbonded; null when it may. `voted` are the proposals in which it was counted:
 * those in which one of `delegatesThatCount` cast a ballot. All of the stake is held, also what was bonded later.
 */
export function lockedUntil(voted: readonly Proposal[], nowMilliseconds: number): number | null {
  const ends = voted.map((proposal) => lockEnd(proposal, nowMilliseconds)).filter((end) => end !== null);
  const latest = Math.max(-1, ...ends);
  return latest > nowMilliseconds ? latest : null;
}
