/**
 * What becomes of a proposal.
 *
 *     pending   -> active      its delay is over: the snapshot is taken, quorum and supply are fixed
 *     active    -> active      a ballot; the first that completes the quorum may put the deadline off, once
 *     active    -> queued      time is over, quorum and approval are there: the timelock runs
 *     active    -> succeeded   the same under terms without a timelock
 *     active    -> defeated    time is over, and they are not there
 *     queued    -> executed    after the timelock, within its window
 *     succeeded -> executed
 *     queued    -> expired     the window is over
 *     pending   -> cancelled   by its proposer, before anybody could vote
 *     pending, active, queued, succeeded -> vetoed     by the guardian
 *
 * A proposal never goes back. Time alone moves it by `advance`, which every operation does first, so that nothing
 * depends on how often somebody looks. Where it is to be opened, `openingOf` names the ticks whose power has to be read
 * before. Deposits come back unless hardly anybody voted; a guardian can stop a proposal, and take nothing.
 *
 * Source of states and timing: OpenZeppelin, Governor and GovernorPreventLateQuorum; of the window of execution and of
 * one live proposal a proposer: Compound, Governor Bravo.
 */
import { assertAmount } from '../amounts.ts';
import {
  countVote,
  EMPTY_TALLY,
  isApproved,
  isQuorumReached,
  isWellAttended,
  quorumOf,
  type Vote,
} from './counting.ts';
import { governanceFault } from './faults.ts';
import { assertPrincipal, assertText } from './fields.ts';
import { GOVERNANCE_LIMITS } from './limits.ts';
import { changedParameters } from './parameter-changes.ts';
import type { Parameters } from './parameters.ts';
import { assertSequence } from './power-checkpoints.ts';
import {
  assertAction,
  type Clock,
  depositAccountOf,
  type GovernanceTransfer,
  type Proposal,
  type ProposalAction,
  type ProposalState,
  type ProposalTerms,
  proposalIdOf,
  transferOf,
  treasuryAccount,
  walletOf,
} from './proposals.ts';

/** The proposal as it is now, and the transfers that go with it, in order. */
export interface Step {
  proposal: Proposal;
  transfers: GovernanceTransfer[];
}

export interface ProposalRequest {
  proposer: string;
  title: string;
  text: string;
  action: ProposalAction;
}

/** What a store knows when somebody proposes. */
export interface ProposalContext {
  network: string;
  clock: Clock;
  terms: ProposalTerms;
  /** What holds now: changes have to fit it. */
  parameters: Parameters;
  /** Power that a proposer needs, and what this one had at the tick before the present one. */
  thresholdMicroFog: bigint;
  proposerPowerMicroFog: bigint;
  /** Proposals of this proposer, and of all, that have not ended. */
  liveOfProposer: number;
  live: number;
}

/** Ticks whose power decides. */
export interface Opening {
  /** The last tick before the proposal. */
  beforeSequence: number;
  snapshotSequence: number;
}

/** What was read at these ticks. */
export interface OpeningPower {
  supplyBeforeMicroFog: bigint;
  supplyAtSnapshotMicroFog: bigint;
  /** Of the snapshot as it is published; null when none is. */
  snapshotRoot: string | null;
}

const ENDED: readonly ProposalState[] = ['executed', 'defeated', 'expired', 'cancelled', 'vetoed'];

export function isEnded({ state }: Pick<Proposal, 'state'>): boolean {
  return ENDED.includes(state);
}

/**
 * A new proposal, and its deposit. Throws `forbidden` without the power to propose, `conflict` when the proposer has a
 * live one already or there are too many, `invalid-request` for what cannot be meant and for parameters out of range.
 */
export function propose(request: ProposalRequest, context: ProposalContext): Step {
  const { proposer, title, text, action } = request;
  const { clock, terms } = context;
  assertPrincipal(context.network, 'the network');
  assertPrincipal(proposer, 'the proposer');
  assertText(title, { most: GOVERNANCE_LIMITS.titleCharacters, least: 1, what: 'the title' });
  assertText(text, { most: GOVERNANCE_LIMITS.textCharacters, isLines: true, what: 'the text' });
  assertAction(action);
  assertClock(clock);
  if (action.kind === 'parameter') changedParameters(context.parameters, action.changes);
  assertMayPropose(proposer, context);
  const content = {
    network: context.network,
    proposer,
    title,
    text,
    action,
    terms,
    createdSequence: clock.sequence,
    createdAtMilliseconds: clock.nowMilliseconds,
  };
  const id = proposalIdOf(content);
  const proposal: Proposal = {
    ...content,
    id,
    state: 'pending',
    openedAtMilliseconds: null,
    snapshotSequence: null,
    snapshotRoot: null,
    supplyMicroFog: null,
    quorumMicroFog: null,
    votesUntilMilliseconds: null,
    quorumReachedAtMilliseconds: null,
    tally: EMPTY_TALLY,
    ballots: 0,
    executableAtMilliseconds: null,
    expiresAtMilliseconds: null,
    endedAtMilliseconds: null,
    vetoReason: null,
    deposit: 'held',
  };
  const route = { from: walletOf(proposer), to: depositAccountOf(id), amount: terms.depositMicroFog };
  return { proposal, transfers: transferOf('deposit', [id], route) };
}

function assertMayPropose(proposer: string, context: ProposalContext): void {
  const { thresholdMicroFog, proposerPowerMicroFog, liveOfProposer, live } = context;
  if (proposerPowerMicroFog < thresholdMicroFog) {
    throw governanceFault(
      'insufficient-proposer-votes',
      `${proposer} had ${proposerPowerMicroFog} micro-FOG of power before, and ${thresholdMicroFog} are needed`,
      { hint: 'bond more, have votes delegated to you, or ask somebody who has them' },
    );
  }
  if (liveOfProposer > 0) {
    throw governanceFault('live-proposal', `${proposer} has a proposal that has not ended`, {
      hint: 'wait for its end, or cancel it before its vote begins',
    });
  }
  if (live >= GOVERNANCE_LIMITS.liveProposals) {
    throw governanceFault('live-proposal', `${live} proposals have not ended; there is no room for another`, {
      hint: 'propose again when one has ended',
    });
  }
}

/** Which ticks have to be read before `advance`; null when it opens nothing. */
export function openingOf(proposal: Proposal, clock: Clock): Opening | null {
  assertClock(clock);
  if (proposal.state !== 'pending' || clock.nowMilliseconds <= votesFrom(proposal)) return null;
  const { terms, createdSequence } = proposal;
  const snapshotSequence =
    terms.weighing === 'snapshot' ? createdSequence + terms.votingDelayMilliseconds : clock.sequence - 1;
  return { beforeSequence: createdSequence - 1, snapshotSequence };
}

/**
 * Lets time act. `power` is what was read at the ticks that `openingOf` names. Throws `invalid-request` when it names
 * ticks and no power is given.
 */
export function advance(proposal: Proposal, clock: Clock, power: OpeningPower | null = null): Step {
  const opened = open(proposal, clock, power);
  return expire(close(opened, clock), clock);
}

/** The end of the delay: from here on the vote is open. */
function votesFrom({ createdAtMilliseconds, terms }: Proposal): number {
  return createdAtMilliseconds + terms.votingDelayMilliseconds;
}

function open(proposal: Proposal, clock: Clock, power: OpeningPower | null): Proposal {
  const opening = openingOf(proposal, clock);
  if (opening === null) return proposal;
  if (power === null) {
    throw governanceFault('malformed', `proposal ${proposal.id} opens, and the power at its snapshot was not given`, {
      details: { ...opening },
    });
  }
  const { terms } = proposal;
  const isFixed = terms.weighing === 'snapshot';
  const { supplyBeforeMicroFog: before, supplyAtSnapshotMicroFog: atSnapshot } = power;
  const supplyMicroFog = isFixed || atSnapshot < before ? atSnapshot : before;
  assertAmount(supplyMicroFog, { what: 'the supply of power' });
  const openedAtMilliseconds = isFixed ? votesFrom(proposal) : clock.nowMilliseconds;
  return {
    ...proposal,
    state: 'active',
    openedAtMilliseconds,
    snapshotSequence: opening.snapshotSequence,
    snapshotRoot: power.snapshotRoot,
    supplyMicroFog,
    quorumMicroFog: quorumOf(terms.quorum, supplyMicroFog),
    votesUntilMilliseconds: openedAtMilliseconds + terms.votingPeriodMilliseconds,
  };
}

/** Whether the votes that were cast carry the proposal. */
export function isCarried({ tally, quorumMicroFog, terms }: Proposal): boolean {
  return isQuorumReached(tally, quorumMicroFog ?? 0n) && isApproved(tally, terms.approvalPpm);
}

function close(proposal: Proposal, { nowMilliseconds }: Clock): Step {
  const { state, terms, votesUntilMilliseconds, tally, quorumMicroFog } = proposal;
  if (state !== 'active' || nowMilliseconds <= (votesUntilMilliseconds ?? 0)) return { proposal, transfers: [] };
  const settled = settleDeposit(proposal, isWellAttended(tally, quorumMicroFog ?? 0n) ? 'returned' : 'forfeited');
  if (!isCarried(proposal)) return ended(settled, 'defeated', nowMilliseconds);
  const { timelockMilliseconds, executionWindowMilliseconds } = terms;
  if (timelockMilliseconds === null) return { ...settled, proposal: { ...settled.proposal, state: 'succeeded' } };
  // From when the vote is found to be over, so that everybody has all of the timelock to notice.
  const executableAtMilliseconds = nowMilliseconds + timelockMilliseconds;
  const expiresAtMilliseconds = executableAtMilliseconds + executionWindowMilliseconds;
  const queued: Proposal = { ...settled.proposal, state: 'queued', executableAtMilliseconds, expiresAtMilliseconds };
  return { ...settled, proposal: queued };
}

function expire(step: Step, { nowMilliseconds }: Clock): Step {
  const { state, expiresAtMilliseconds } = step.proposal;
  const isOver = state === 'queued' && expiresAtMilliseconds !== null && nowMilliseconds >= expiresAtMilliseconds;
  return isOver ? ended(step, 'expired', nowMilliseconds) : step;
}

export interface CastVote {
  vote: Vote;
  /** What the voter had at the ticks that decide, and what of it earlier votes on this proposal have spent. */
  weightMicroFog: bigint;
  usedMicroFog: bigint;
}

/**
 * Counts a vote on a proposal that was advanced to `clock`. `usedMicroFog` of the answer is what the voter has now spent.
 * Throws `conflict` (fault `unexpected-state`) unless the vote is open, and what `countVote` refuses.
 */
export function castVote(
  proposal: Proposal,
  cast: CastVote,
  clock: Clock,
  power: OpeningPower | null = null,
): Step & { usedMicroFog: bigint } {
  const step = advance(proposal, clock, power);
  const current = step.proposal;
  assertState(current, ['active'], 'voted on');
  if (current.ballots >= GOVERNANCE_LIMITS.ballots) {
    throw governanceFault(
      'unexpected-state',
      `proposal ${current.id} has ${current.ballots} ballots, and takes no more`,
    );
  }
  const { tally, usedMicroFog } = countVote(current.tally, cast.vote, cast);
  const { votesUntilMilliseconds: until, terms } = current;
  const isReached = isQuorumReached(tally, current.quorumMicroFog ?? 0n);
  const isFirst = isReached && current.quorumReachedAtMilliseconds === null;
  const later = clock.nowMilliseconds + terms.lateQuorumMilliseconds;
  const voted: Proposal = {
    ...current,
    tally,
    ballots: current.ballots + 1,
    quorumReachedAtMilliseconds: isFirst ? clock.nowMilliseconds : current.quorumReachedAtMilliseconds,
    votesUntilMilliseconds: isFirst ? Math.max(until ?? 0, later) : until,
  };
  return { ...step, proposal: voted, usedMicroFog };
}

/** Takes a proposal back. Throws `forbidden` for others than its proposer, `conflict` once its vote has begun. */
export function cancel(proposal: Proposal, by: string, clock: Clock, power: OpeningPower | null = null): Step {
  if (by !== proposal.proposer) {
    throw governanceFault('not-proposer', `${by} cannot cancel the proposal of ${proposal.proposer}`);
  }
  const step = advance(proposal, clock, power);
  assertState(step.proposal, ['pending'], 'cancelled');
  return ended(settleDeposit(step.proposal, 'returned', step.transfers), 'cancelled', clock.nowMilliseconds);
}

/**
 * Stops a proposal for good. Throws `forbidden` for others than the guardian, `conflict` once it was executed or has
 * ended. `guardian` null: there is none.
 */
export function veto(
  proposal: Proposal,
  { by, guardian, reason }: { by: string; guardian: string | null; reason: string },
  clock: Clock,
  power: OpeningPower | null = null,
): Step {
  if (guardian === null || by !== guardian) {
    throw governanceFault('not-guardian', `${by} is not the guardian of this network`, {
      hint: guardian === null ? 'it has none' : `that is ${guardian}`,
    });
  }
  assertText(reason, {
    most: GOVERNANCE_LIMITS.reasonCharacters,
    least: 1,
    isLines: true,
    what: 'the reason of a veto',
  });
  const step = advance(proposal, clock, power);
  assertState(step.proposal, ['pending', 'active', 'queued', 'succeeded'], 'vetoed');
  const stopped = { ...step.proposal, vetoReason: reason };
  return ended(settleDeposit(stopped, 'returned', step.transfers), 'vetoed', clock.nowMilliseconds);
}

/** Throws `conflict` (fault `unexpected-state`) when the proposal is in none of these states. */
export function assertState(proposal: Proposal, states: readonly ProposalState[], done: string): void {
  if (states.includes(proposal.state)) return;
  throw governanceFault('unexpected-state', `proposal ${proposal.id} is ${proposal.state}; it cannot be ${done} now`, {
    details: { state: proposal.state },
    hint: `that is done while it is ${states.join(' or ')}`,
  });
}

export function ended(step: Step, state: ProposalState, nowMilliseconds: number): Step {
  return { ...step, proposal: { ...step.proposal, state, endedAtMilliseconds: nowMilliseconds } };
}

/** A deposit is settled once: what comes later finds it gone. */
function settleDeposit(
  proposal: Proposal,
  how: 'returned' | 'forfeited',
  earlier: readonly GovernanceTransfer[] = [],
): Step {
  if (proposal.deposit !== 'held') return { proposal, transfers: [...earlier] };
  const [kind, to] =
    how === 'returned'
      ? (['depositReturn', walletOf(proposal.proposer)] as const)
      : (['depositForfeit', treasuryAccount()] as const);
  const route = { from: depositAccountOf(proposal.id), to, amount: proposal.terms.depositMicroFog };
  return {
    proposal: { ...proposal, deposit: how },
    transfers: [...earlier, ...transferOf(kind, [proposal.id], route)],
  };
}

function assertClock({ sequence, nowMilliseconds }: Clock): void {
  assertSequence(sequence);
  if (Number.isSafeInteger(nowMilliseconds) && nowMilliseconds >= 0) return;
  throw governanceFault('malformed', `${nowMilliseconds} is no time in milliseconds`);
}
