/**
 * Counting a vote again from what is published: the proposal, the snapshot of power, the ballots. Nothing else is asked,
 * and nothing that they say of each other is believed: the id of the proposal is hashed again, the root of the snapshot
 * too, each ballot's place in it and signature are checked, and the ballots are counted by the same rules in the order
 * in which they were cast. What is wrong with a ballot leaves it out of the count.
 *
 * It cannot tell what was left out of what is published: a ballot that was not taken, or stake that the snapshot does
 * not have. Voters see that of their own; the rest is in the ledger.
 */
import { type Ballot, isSignedBallot } from './ballots.ts';
import { CHOICES, EMPTY_TALLY, quorumOf, type Tally } from './counting.ts';
import { faultOf } from './faults.ts';
import { isInSnapshot, leavesFault, type PublishedSnapshot, snapshotRootOf, treeRootOf } from './power-snapshot.ts';
import { castVote, isCarried } from './proposal-machine.ts';
import { type Proposal, type ProposalState, proposalIdOf } from './proposals.ts';

/** A ballot with its place in the snapshot. */
export interface PublishedBallot extends Ballot {
  index: number;
  /** Hex; hashes from the leaf upwards. */
  proof: readonly string[];
}

export const RECOUNT_FAULTS = [
  /** The id is not that of the content. */
  'proposal-id',
  /** The record contradicts itself about when the vote was, or what the quorum is. */
  'proposal-terms',
  /** The vote has not opened, so there is nothing to count. */
  'not-opened',
  /** The snapshot is of another proposal, network or tick. */
  'other-snapshot',
  'snapshot-root',
  /** Its list is not sorted, has somebody twice, has more than the supply, or gives another tree. */
  'snapshot-leaves',
  'other-proposal',
  'second-ballot',
  'unknown-choice',
  /** Not in the snapshot with this power and key, or the proof does not show it. */
  'not-in-snapshot',
  'signature',
  /** Cast before the vote opened, after its deadline, or out of order. */
  'time',
  'tally-differs',
  'result-differs',
] as const;
export type RecountFaultKind = (typeof RECOUNT_FAULTS)[number];

export interface RecountFault {
  fault: RecountFaultKind;
  /** What it concerns: which ballot, from 0; null for the proposal or the snapshot. */
  ballot: number | null;
  message: string;
}

export interface Recount {
  faults: RecountFault[];
  /** Of the ballots without fault. */
  tally: Tally;
  countedBallots: number;
  supplyMicroFog: bigint;
  quorumMicroFog: bigint;
  votesUntilMilliseconds: number;
  isCarried: boolean;
}

const CARRIED: readonly ProposalState[] = ['succeeded', 'queued', 'executed', 'expired'];

/**
 * Counts again. Never throws for what well-formed documents say (`parseDaoRecord`): every fault is in the answer.
 */
export function recount(proposal: Proposal, snapshot: PublishedSnapshot, ballots: readonly PublishedBallot[]): Recount {
  const faults: RecountFault[] = [];
  const note = (fault: RecountFaultKind, message: string, ballot: number | null = null) => {
    faults.push({ fault, ballot, message });
  };
  checkProposal(proposal, note);
  checkSnapshot(proposal, snapshot, note);
  let counted = reopened(proposal, snapshot);
  const seen = {
    voters: new Set<string>(),
    sequence: snapshot.snapshotSequence + 1,
    atMilliseconds: openedAt(proposal),
  };
  let countedBallots = 0;
  for (const [index, ballot] of ballots.entries()) {
    const fault = ballotFault(proposal, snapshot, ballot, seen);
    if (fault !== null) {
      note(fault.fault, fault.message, index);
      continue;
    }
    const clock = { sequence: ballot.castSequence, nowMilliseconds: ballot.castAtMilliseconds };
    const vote = { vote: ballot.choice, weightMicroFog: ballot.powerMicroFog, usedMicroFog: 0n };
    try {
      counted = castVote(counted, vote, clock).proposal;
    } catch (error) {
      if (faultOf(error) === null) throw error;
      note('time', `the ballot of ${ballot.voter} was cast when no ballot could be`, index);
      continue;
    }
    seen.voters.add(ballot.voter);
    seen.sequence = ballot.castSequence;
    countedBallots += 1;
  }
  compare(proposal, counted, note);
  return {
    faults,
    tally: counted.tally,
    countedBallots,
    supplyMicroFog: snapshot.supplyMicroFog,
    quorumMicroFog: counted.quorumMicroFog ?? 0n,
    votesUntilMilliseconds: counted.votesUntilMilliseconds ?? 0,
    isCarried: isCarried(counted),
  };
}

type Note = (fault: RecountFaultKind, message: string) => void;

function openedAt({ openedAtMilliseconds, createdAtMilliseconds }: Proposal): number {
  return openedAtMilliseconds ?? createdAtMilliseconds;
}

/** The proposal as it was when its vote opened. */
function reopened(proposal: Proposal, { supplyMicroFog }: PublishedSnapshot): Proposal {
  return {
    ...proposal,
    state: 'active',
    supplyMicroFog,
    quorumMicroFog: quorumOf(proposal.terms.quorum, supplyMicroFog),
    votesUntilMilliseconds: openedAt(proposal) + proposal.terms.votingPeriodMilliseconds,
    quorumReachedAtMilliseconds: null,
    tally: EMPTY_TALLY,
    ballots: 0,
  };
}

function checkProposal(proposal: Proposal, note: Note): void {
  const { createdAtMilliseconds, terms, openedAtMilliseconds } = proposal;
  if (proposalIdOf(proposal) !== proposal.id) {
    note('proposal-id', `the id ${proposal.id} is not that of what is proposed and its terms`);
  }
  if (openedAtMilliseconds === null) {
    note('not-opened', `the vote on ${proposal.id} was never opened`);
    return;
  }
  const earliest = createdAtMilliseconds + terms.votingDelayMilliseconds;
  if (openedAtMilliseconds < earliest)
    note('proposal-terms', `the vote opened before its delay was over, ${earliest} ms`);
}

function checkSnapshot(proposal: Proposal, snapshot: PublishedSnapshot, note: Note): void {
  const { terms, createdSequence } = proposal;
  const isOfProposal = snapshot.proposal === proposal.id && snapshot.network === proposal.network;
  const isOfTicks =
    snapshot.beforeSequence === createdSequence - 1 &&
    snapshot.snapshotSequence === proposal.snapshotSequence &&
    (terms.weighing === 'lesser' || snapshot.snapshotSequence === createdSequence + terms.votingDelayMilliseconds);
  // Power is read when the delay is over, at the present tick at the earliest less one.
  const isAfter = snapshot.snapshotSequence >= createdSequence - 1;
  if (!isOfProposal || !isOfTicks || !isAfter) {
    note('other-snapshot', `the snapshot is not that of proposal ${proposal.id} and the ticks that decide it`);
  }
  const root = snapshotRootOf(snapshot, snapshot.voters, snapshot.treeRoot);
  // OpenZeppelin's timing knows no published root.
  const isUnpublished = terms.weighing === 'snapshot' && proposal.snapshotRoot === null;
  if (root !== snapshot.root || (!isUnpublished && proposal.snapshotRoot !== snapshot.root)) {
    note('snapshot-root', `the root of the snapshot is ${root}, and another was published`);
  }
  const { leaves } = snapshot;
  if (leaves === null) return;
  const fault = leavesFault(leaves, snapshot.supplyMicroFog);
  if (fault !== null) note('snapshot-leaves', `the list of voters: ${fault}`);
  if (leaves.length !== snapshot.voters || treeRootOf(snapshot, leaves) !== snapshot.treeRoot) {
    note('snapshot-leaves', 'the list of voters is not the one that the root was made of');
  }
}

function ballotFault(
  proposal: Proposal,
  snapshot: PublishedSnapshot,
  ballot: PublishedBallot,
  seen: { voters: ReadonlySet<string>; sequence: number },
): Pick<RecountFault, 'fault' | 'message'> | null {
  const { voter, publicKey, powerMicroFog, index, proof } = ballot;
  if (ballot.proposal !== proposal.id || ballot.network !== proposal.network) {
    return { fault: 'other-proposal', message: `the ballot of ${voter} is for another proposal or network` };
  }
  if (!CHOICES.includes(ballot.choice)) {
    return { fault: 'unknown-choice', message: `the ballot of ${voter} has no choice that there is` };
  }
  if (seen.voters.has(voter)) return { fault: 'second-ballot', message: `${voter} has voted before` };
  if (!isInSnapshot(snapshot, { power: { voter, publicKey, powerMicroFog }, index, proof })) {
    return { fault: 'not-in-snapshot', message: `the snapshot does not give ${voter} this power, key and place` };
  }
  if (!isSignedBallot(ballot, publicKey)) {
    return { fault: 'signature', message: `the ballot of ${voter} is not signed by the key of the snapshot` };
  }
  // Ticks order ballots; clocks may be set back in between.
  if (ballot.castSequence < seen.sequence) {
    return { fault: 'time', message: `the ballot of ${voter} was cast before the one above it, or before the vote` };
  }
  return null;
}

function compare(proposal: Proposal, counted: Proposal, note: Note): void {
  const words = ({ for: yes, against, abstain }: Tally) => `${yes} for, ${against} against, ${abstain} abstain`;
  if (words(proposal.tally) !== words(counted.tally) || proposal.ballots !== counted.ballots) {
    note(
      'tally-differs',
      `the record says ${words(proposal.tally)} in ${proposal.ballots} ballots; counted are ${words(counted.tally)} in ${counted.ballots}`,
    );
  }
  const isSame =
    proposal.openedAtMilliseconds === null ||
    (proposal.supplyMicroFog === counted.supplyMicroFog &&
      proposal.quorumMicroFog === counted.quorumMicroFog &&
      proposal.votesUntilMilliseconds === counted.votesUntilMilliseconds &&
      proposal.quorumReachedAtMilliseconds === counted.quorumReachedAtMilliseconds);
  if (!isSame) {
    note('proposal-terms', 'supply, quorum or deadline of the record are not those that follow from it');
  }
  const carried = isCarried(counted);
  if ((CARRIED.includes(proposal.state) && !carried) || (proposal.state === 'defeated' && carried)) {
    note('result-differs', `the record says ${proposal.state}, and by the count it is ${carried ? '' : 'not '}carried`);
  }
}
