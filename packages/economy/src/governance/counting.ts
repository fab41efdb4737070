/**
 * Counting: for, against, abstain. Votes for and abstentions make the quorum; of those for and against, more than the
 * threshold have to be for. Who votes against never helps a proposal to its quorum.
 *
 * A vote names a choice and spends all weight that its voter has left, or it is a fractional one and says how much goes
 * where; several of those add up. Source: OpenZeppelin, GovernorCountingSimple and GovernorCountingFractional.
 */
import { assertAmount, portionOf, WHOLE_PPM } from '../amounts.ts';
import { governanceFault } from './faults.ts';

export const CHOICES = ['against', 'for', 'abstain'] as const;
export type Choice = (typeof CHOICES)[number];

/** In micro-FOG of power. */
export interface Tally {
  for: bigint;
  against: bigint;
  abstain: bigint;
}

export const EMPTY_TALLY: Tally = { for: 0n, against: 0n, abstain: 0n };

/** A choice with all that is left, or a division of a part of it. */
export type Vote = Choice | Tally;

export interface CountedVote {
  tally: Tally;
  /** What the voter has spent on the proposal, this vote included. */
  usedMicroFog: bigint;
}

/**
 * Adds a vote. Throws `invalid-request` for a choice that there is not, `conflict` when nothing is left
 * (`already-voted`) or less than the vote spends (`exceeds-remaining-weight`).
 */
export function countVote(
  tally: Tally,
  vote: Vote,
  { weightMicroFog, usedMicroFog }: { weightMicroFog: bigint; usedMicroFog: bigint },
): CountedVote {
  assertAmount(weightMicroFog, { what: 'the weight of a vote' });
  assertAmount(usedMicroFog, { what: 'the weight that was used before' });
  const left = weightMicroFog - usedMicroFog;
  const spent = typeof vote === 'string' ? wholeVote(vote, left) : vote;
  for (const choice of CHOICES) assertAmount(spent[choice], { what: `the part of a vote that is ${choice}` });
  if (left <= 0n) {
    throw governanceFault('already-voted', 'the voter has voted, and nothing of the weight is left', {
      hint: 'a vote cannot be changed',
    });
  }
  const sum = spent.for + spent.against + spent.abstain;
  if (sum > left) {
    throw governanceFault('exceeds-remaining-weight', `the vote spends ${sum}, and ${left} are left`, {
      details: { spent: String(sum), left: String(left) },
    });
  }
  return {
    tally: {
      for: tally.for + spent.for,
      against: tally.against + spent.against,
      abstain: tally.abstain + spent.abstain,
    },
    usedMicroFog: usedMicroFog + sum,
  };
}

function wholeVote(choice: Choice, left: bigint): Tally {
  if (!CHOICES.includes(choice)) {
    throw governanceFault('invalid-vote-type', `a vote cannot be ${JSON.stringify(String(choice).slice(0, 40))}`, {
      hint: `choices are ${CHOICES.join(', ')}`,
    });
  }
  return { ...EMPTY_TALLY, [choice]: left };
}

/** What has to be for or abstain: a share of the past supply, rounded down in favour of the proposal, or a number. */
export type Quorum = { ppm: bigint } | { votesMicroFog: bigint };

export function quorumOf(quorum: Quorum, supplyMicroFog: bigint): bigint {
  return 'ppm' in quorum ? portionOf(supplyMicroFog, quorum.ppm) : quorum.votesMicroFog;
}

export function isQuorumReached(tally: Tally, quorumMicroFog: bigint): boolean {
  return tally.for + tally.abstain >= quorumMicroFog;
}

/** Whether of those for and against, more than the threshold are for. At 500,000 ppm: more for than against. */
export function isApproved(tally: Tally, approvalPpm: bigint): boolean {
  return tally.for * WHOLE_PPM > approvalPpm * (tally.for + tally.against);
}

/** Whether so many took part that the proposer gets the deposit back; those against count here too. */
export function isWellAttended(tally: Tally, quorumMicroFog: bigint): boolean {
  return tally.for + tally.against + tally.abstain >= quorumMicroFog;
}
