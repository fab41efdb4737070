/**
 * The verification of one task: what follows from what its replicas do.
 *
 *     collecting --(one alone, or a quorum)-------> accepted --(reopened)--> collecting
 *         |  ^------(a replica failed, mismatch: more replicas)
 *         +--(most replicas, no quorum)--> adjudicating --(adjudicated)----> accepted
 *         |                                     +--(impossible)------------> undecided
 *         +--(too many replicas failed)------------------------------------> undecided
 *
 * A reopened task keeps its accepted result until another one is proven, also when that cannot be decided.
 *
 *     replica    leased -> committed -> revealed         its commit-reveal round: `commitment.ts`
 *                any -> gone: failed, late, refused      another one takes its place
 *
 * The first lease decides whether the task runs alone. A round takes in all replicas that are asked for until it opens.
 * It opens when nobody is still to join and all have committed, or at its deadline; later replicas make a new round.
 * A task that runs alone commits and reveals like any other, so that a node is bound to its result before it could tell
 * that nobody checks it. For the same reason a node that commits and then fails counts as withholding: a replica that
 * is only out of reach should be reported as failed no sooner than it has to be replaced.
 *
 * Pure and total: the same state, event and policy always give the same step, and an event that fits no transition
 * gives null and changes nothing. Messages may therefore come twice or late.
 */
import { needsReplica } from './adaptive.ts';
import { closeCommitting, commit, emptyRound, joinRound, leaveRound, openRound, reveal } from './commitment.ts';
import { VERIFICATION_LIMITS } from './limits.ts';
import { exclusionsOf, isExcluded } from './quorum.ts';
import { adjudicate, giveUp, isPair, reopen, resultsOf, settle } from './task-outcome.ts';
import type {
  Replica,
  TaskVerification,
  VerificationDecision,
  VerificationEvent,
  VerificationStep,
} from './task-verification-state.ts';
import type { VerificationPolicy } from './verification-policy.ts';

type EventOf<Kind extends VerificationEvent['kind']> = Extract<VerificationEvent, { kind: Kind }>;

/** Everything the coordinator does about the task follows from the decisions, in their order. */
export function verifyTask(
  state: TaskVerification,
  event: VerificationEvent,
  policy: VerificationPolicy,
): VerificationStep | null {
  const step = transition(state, event, policy);
  return step === null ? null : withOpenedRounds(state, step);
}

function transition(
  state: TaskVerification,
  event: VerificationEvent,
  policy: VerificationPolicy,
): VerificationStep | null {
  switch (event.kind) {
    case 'leased':
      return onLeased(state, event, policy);
    case 'committed':
      return onCommitted(state, event);
    case 'revealed':
      return onRevealed(state, event, policy);
    case 'failed':
      return onFailed(state, event, policy);
    case 'deadline':
      return onDeadline(state, event, policy);
    case 'compared':
      return onCompared(state, event, policy);
    case 'adjudicated':
      if (state.phase !== 'adjudicating' || state.adjudicated !== null) return null;
      return adjudicate({ ...state, adjudicated: { digest: event.digest, fence: event.fence } }, policy);
    case 'adjudication-impossible':
      if (state.phase !== 'adjudicating') return null;
      return giveUp(state, 'inconclusive', []);
    case 'reopened':
      if (state.phase !== 'accepted') return null;
      return reopen(state, policy);
  }
}

function onLeased(
  state: TaskVerification,
  event: EventOf<'leased'>,
  policy: VerificationPolicy,
): VerificationStep | null {
  const isWanted = state.phase === 'collecting' && state.requested > 0;
  if (!isWanted || isExcluded(event, exclusionsOf(state.replicas))) return null;
  if (event.fence <= state.lastFence) return null;
  const single = state.single ?? (policy.mode !== 'replicate' && isTrustedAlone(event, policy));
  const rounds = state.rounds.at(-1)?.phase === 'committing' ? state.rounds : [...state.rounds, emptyRound()];
  const round = rounds.length - 1;
  const joined = joinRound(rounds[round] ?? emptyRound(), event.nodeId);
  if (joined === null) return null;
  const { nodeId, owner, prefix, fence, credibility } = event;
  const replica: Replica = { nodeId, owner, prefix, fence, round, credibility, digest: null };
  const leased: TaskVerification = {
    ...state,
    single,
    requested: state.requested - 1,
    lastFence: fence,
    replicas: [...state.replicas, replica],
    rounds: rounds.with(round, joined),
  };
  return settle(leased, policy, [], false);
}

function isTrustedAlone(event: EventOf<'leased'>, policy: VerificationPolicy): boolean {
  return policy.mode === 'none' || !needsReplica(event, event.random);
}

function onCommitted(state: TaskVerification, event: EventOf<'committed'>): VerificationStep | null {
  const replica = runningReplica(state, event.fence);
  const round = replica && state.rounds[replica.round];
  if (replica === undefined || round === undefined) return null;
  const step = commit(round, replica.nodeId, event.commitment);
  if (step.refused !== null) {
    return { state, decisions: [{ kind: 'refused', fence: event.fence, reason: step.refused }] };
  }
  return { state: { ...state, rounds: state.rounds.with(replica.round, step.round) }, decisions: [] };
}

function onRevealed(
  state: TaskVerification,
  event: EventOf<'revealed'>,
  policy: VerificationPolicy,
): VerificationStep | null {
  const replica = runningReplica(state, event.fence);
  const round = replica && state.rounds[replica.round];
  if (replica === undefined || round === undefined) return null;
  const step = reveal(round, { nodeId: replica.nodeId, digest: event.digest, nonce: event.nonce });
  if (step.refused === 'commitment-mismatch') {
    const refused: VerificationDecision = { kind: 'refused', fence: event.fence, reason: step.refused };
    const rounds = state.rounds.with(replica.round, step.round);
    return withoutReplicas({ ...state, rounds }, [replica], policy, [refused, withheldBy(replica)]);
  }
  if (step.refused !== null) {
    return { state, decisions: [{ kind: 'refused', fence: event.fence, reason: step.refused }] };
  }
  const results = resultsOf(state);
  const others = state.replicas.filter((other) => other !== replica && other.digest === null);
  const revealed: TaskVerification = {
    ...state,
    rounds: state.rounds.with(replica.round, step.round),
    replicas: [...results, { ...replica, digest: event.digest }, ...others],
  };
  return settle(revealed, policy, [], true);
}

function onFailed(
  state: TaskVerification,
  event: EventOf<'failed'>,
  policy: VerificationPolicy,
): VerificationStep | null {
  const replica = runningReplica(state, event.fence);
  if (replica === undefined) return null;
  const member = state.rounds[replica.round]?.members.find(({ nodeId }) => nodeId === replica.nodeId);
  return withoutReplicas(state, [replica], policy, member?.state === 'committed' ? [withheldBy(replica)] : []);
}

function onDeadline(
  state: TaskVerification,
  event: EventOf<'deadline'>,
  policy: VerificationPolicy,
): VerificationStep | null {
  const round = state.rounds[event.round];
  if (state.phase !== 'collecting' || round?.phase !== 'committing') return null;
  const working = round.members.filter((member) => member.state === 'working').map(({ nodeId }) => nodeId);
  const late = state.replicas.filter((replica) => replica.round === event.round && working.includes(replica.nodeId));
  const closed = { ...state, rounds: state.rounds.with(event.round, closeCommitting(round)) };
  if (late.length === 0) {
    return closed.rounds[event.round]?.phase === 'revealing' ? { state: closed, decisions: [] } : null;
  }
  return withoutReplicas(closed, late, policy, [{ kind: 'superfluous', fences: late.map(({ fence }) => fence) }]);
}

function onCompared(
  state: TaskVerification,
  event: EventOf<'compared'>,
  policy: VerificationPolicy,
): VerificationStep | null {
  const at = state.comparisons.findIndex((comparison) => comparison.agree === null && isPair(comparison, event));
  const asked = state.comparisons[at];
  if (asked === undefined) return null;
  const compared = { ...state, comparisons: state.comparisons.with(at, { ...asked, agree: event.agree }) };
  return compared.phase === 'adjudicating' ? adjudicate(compared, policy) : settle(compared, policy, [], true);
}

/** Takes replicas out that will give no result, and sees to others. */
function withoutReplicas(
  state: TaskVerification,
  gone: readonly Replica[],
  policy: VerificationPolicy,
  decisions: readonly VerificationDecision[],
): VerificationStep {
  const rounds = gone.reduce((changed, { round, nodeId }) => {
    const present = changed[round];
    return present === undefined ? changed : changed.with(round, leaveRound(present, nodeId));
  }, state.rounds);
  const replicas = state.replicas.filter((replica) => !gone.includes(replica));
  const failures = state.failures + gone.length;
  // A node whose commitment was opened at once knew that it ran alone. Whoever comes next gets no such chance.
  const wasWithheld = decisions.some(({ kind }) => kind === 'withheld');
  const single = wasWithheld ? false : state.single && replicas.length === 0 ? null : state.single;
  const left: TaskVerification = { ...state, replicas, rounds, failures, single };
  if (failures > VERIFICATION_LIMITS.failedReplicas) return giveUp(left, 'replicas-failed', decisions);
  return settle(left, policy, decisions, false);
}

/** Opens the rounds that wait for nobody, and asks the replicas of all rounds that this step opened to reveal. */
function withOpenedRounds(before: TaskVerification, { state, decisions }: VerificationStep): VerificationStep {
  const rounds = state.requested > 0 ? state.rounds : state.rounds.map(openRound);
  const asked = rounds.flatMap((round, index): VerificationDecision[] => {
    if (round.phase !== 'revealing' || before.rounds[index]?.phase === 'revealing') return [];
    const fences = state.replicas.filter((replica) => replica.round === index).map(({ fence }) => fence);
    return [{ kind: 'reveal', fences }];
  });
  return { state: { ...state, rounds }, decisions: [...decisions, ...asked] };
}

function runningReplica(state: TaskVerification, fence: number): Replica | undefined {
  if (state.phase !== 'collecting') return undefined;
  return state.replicas.find((replica) => replica.fence === fence && replica.digest === null);
}

function withheldBy({ fence }: Replica): VerificationDecision {
  return { kind: 'withheld', fence };
}
