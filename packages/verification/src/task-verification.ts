/**
 * The verification of one task: what follows from what its replicas do.
 *
 *     collecting --(one alone, or a quorum)-------> accepted --(reopened)--> collecting | adjudicating
 *         |  ^------(a replica failed, mismatch: more replicas)
 *         +--(most replicas, or no node left)--> adjudicating --(adjudicated)--> accepted
 *         |                                          +--(impossible)-----------> undecided
 *         +--(too many replicas failed)----------------------------------------> undecided
 *
 * A reopened task keeps its accepted result until another one is proven, also when that cannot be decided.
 *
 *     replica    working -> committed -> revealed
 *                working -> gone     failed, or late for its round: another one takes its place
 *                committed -> gone   withheld: failed, did not reveal in time, or not what it committed to
 *
 * The first lease decides whether the task runs alone. A round takes in all replicas that are asked for until it opens:
 * when nobody is still to join and all have committed, or at its deadline. Later replicas make a new round. Whoever has
 * not committed when a round opens is out, because from then on somebody's result may be known.
 *
 * A task that runs alone commits and reveals like any other, so that a node is bound to its result before it could tell
 * that nobody checks it. For the same reason a node that commits and then fails counts as withholding: a replica that
 * is only out of reach should be reported as failed no sooner than it has to be replaced.
 *
 * Pure and total: the same state, event and policy always give the same step, and an event that fits no transition
 * gives null and changes nothing. Messages may therefore come twice or late.
 */
import type { VerificationPolicy } from '@fog/contract';
import { runsAlone } from './adaptive.ts';
import { isCommitment, opensCommitment } from './commitment.ts';
import { VERIFICATION_LIMITS } from './limits.ts';
import { credibilityOf } from './node-trust.ts';
import { isExcluded, type ReplicaHolder } from './quorum.ts';
import {
  adjudicate,
  askTrustedNode,
  excludedFrom,
  giveUp,
  isPair,
  reopen,
  resultsOf,
  runningOf,
  settle,
  verdictsOf,
} from './task-outcome.ts';
import type {
  RefusalReason,
  Replica,
  TaskVerificationState,
  VerificationAction,
  VerificationEvent,
  VerificationStep,
} from './task-verification-state.ts';

type EventOf<Kind extends VerificationEvent['kind']> = Extract<VerificationEvent, { kind: Kind }>;

/** Whether a lease of the task to this node would be taken: one is asked for, and neither owner nor prefix is in use. */
export function mayRun(state: TaskVerificationState, holder: Omit<ReplicaHolder, 'nodeId'>): boolean {
  return state.phase === 'collecting' && state.requested > 0 && !isExcluded(holder, excludedFrom(state));
}

/** Null: the event changes nothing. Otherwise save the state, carry out the actions, record the verdicts. */
export function verifyTask(
  state: TaskVerificationState,
  event: VerificationEvent,
  policy: VerificationPolicy,
): VerificationStep | null {
  const step = transition(state, event, policy);
  return step === null ? null : withOpenedRound(step);
}

function transition(
  state: TaskVerificationState,
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
    case 'unplaceable':
      return onUnplaceable(state);
    case 'compared':
      return onCompared(state, event, policy);
    case 'adjudicated':
      if (state.phase !== 'adjudicating' || state.adjudicated !== null || event.fence <= state.lastFence) return null;
      return adjudicate(
        { ...state, lastFence: event.fence, adjudicated: { digest: event.digest, fence: event.fence } },
        policy,
      );
    case 'adjudication-impossible':
      if (state.phase !== 'adjudicating' || state.adjudicated !== null) return null;
      return giveUp(state, 'inconclusive');
    case 'reopened':
      return reopen(state, policy);
  }
}

function onLeased(
  state: TaskVerificationState,
  event: EventOf<'leased'>,
  policy: VerificationPolicy,
): VerificationStep | null {
  if (!mayRun(state, event) || event.fence <= state.lastFence) return null;
  const { nodeId, owner, prefix, fence, trust, random } = event;
  const single = state.single ?? (policy.mode === 'adaptive' && runsAlone(trust, random));
  const replica: Replica = {
    nodeId,
    owner,
    prefix,
    fence,
    round: state.round,
    credibility: credibilityOf(trust),
    commitment: null,
    digest: null,
  };
  const requested = state.requested - 1;
  return settle({ ...state, single, requested, lastFence: fence, replicas: [...state.replicas, replica] }, policy);
}

function onCommitted(state: TaskVerificationState, event: EventOf<'committed'>): VerificationStep | null {
  const { fence, commitment } = event;
  const replica = runningReplica(state, fence);
  if (replica === undefined || replica.commitment === commitment) return null;
  if (replica.commitment !== null) return refusal(state, fence, 'already-committed');
  if (!isCommitment(commitment)) return refusal(state, fence, 'malformed-commitment');
  const replicas = state.replicas.map((other) => (other === replica ? { ...replica, commitment } : other));
  return { state: { ...state, replicas }, actions: [], verdicts: [] };
}

function onRevealed(
  state: TaskVerificationState,
  event: EventOf<'revealed'>,
  policy: VerificationPolicy,
): VerificationStep | null {
  const { fence, digest, nonce } = event;
  const replica = runningReplica(state, fence);
  if (replica === undefined) return null;
  const { commitment, nodeId } = replica;
  if (commitment === null) return refusal(state, fence, 'not-committed');
  if (replica.round === state.round) return refusal(state, fence, 'round-not-open');
  if (!opensCommitment(commitment, { nodeId, digest, nonce })) {
    const { actions } = refusal(state, fence, 'commitment-mismatch');
    return withoutReplicas(state, [replica], policy, actions);
  }
  const others = runningOf(state).filter((other) => other !== replica);
  return settle({ ...state, replicas: [...resultsOf(state), { ...replica, digest }, ...others] }, policy);
}

function onFailed(
  state: TaskVerificationState,
  event: EventOf<'failed'>,
  policy: VerificationPolicy,
): VerificationStep | null {
  const replica = runningReplica(state, event.fence);
  return replica === undefined ? null : withoutReplicas(state, [replica], policy);
}

function onDeadline(
  state: TaskVerificationState,
  { round, of }: EventOf<'deadline'>,
  policy: VerificationPolicy,
): VerificationStep | null {
  if (state.phase !== 'collecting') return null;
  const members = runningOf(state).filter((replica) => replica.round === round);
  const isDue = of === 'commit' ? round === state.round : round < state.round;
  if (!isDue || members.length === 0) return null;
  const late = of === 'commit' ? members.filter(({ commitment }) => commitment === null) : members;
  const opened = of === 'commit' ? openRound(state) : { state, actions: [] };
  if (late.length === 0) return { ...opened, verdicts: [] };
  const cancel: VerificationAction = { kind: 'cancel', fences: late.map(({ fence }) => fence) };
  return withoutReplicas(opened.state, late, policy, [cancel, ...opened.actions]);
}

/** What is running may still decide it; without that, a trusted node has to. A task that nobody has run only waits. */
function onUnplaceable(state: TaskVerificationState): VerificationStep | null {
  if (state.phase !== 'collecting' || state.requested === 0 || state.replicas.length === 0) return null;
  const rest = { ...state, requested: 0 };
  return runningOf(rest).length > 0 ? { state: rest, actions: [], verdicts: [] } : askTrustedNode(rest);
}

function onCompared(
  state: TaskVerificationState,
  event: EventOf<'compared'>,
  policy: VerificationPolicy,
): VerificationStep | null {
  const at = state.comparisons.findIndex((comparison) => comparison.agree === null && isPair(comparison, event));
  const asked = state.comparisons[at];
  if (asked === undefined) return null;
  const compared = { ...state, comparisons: state.comparisons.with(at, { ...asked, agree: event.agree }) };
  return compared.phase === 'adjudicating' ? adjudicate(compared, policy) : settle(compared, policy);
}

/** Takes replicas out that will give no result, and sees to others. `actions` come first. */
function withoutReplicas(
  state: TaskVerificationState,
  gone: readonly Replica[],
  policy: VerificationPolicy,
  actions: readonly VerificationAction[] = [],
): VerificationStep {
  const withheld = gone.filter(({ commitment }) => commitment !== null);
  const replicas = state.replicas.filter((replica) => !gone.includes(replica));
  // A node whose commitment was opened at once knew that it ran alone. Whoever comes next gets no such chance.
  const single = withheld.length > 0 ? false : state.single && replicas.length === 0 ? null : state.single;
  const withheldBy = [...state.withheldBy, ...withheld.map(({ owner, prefix }) => ({ owner, prefix }))];
  const left = { ...state, replicas, single, withheldBy, failures: state.failures + gone.length };
  const next =
    left.failures > VERIFICATION_LIMITS.failedReplicas ? giveUp(left, 'replicas-failed') : settle(left, policy);
  return {
    state: next.state,
    actions: [...actions, ...next.actions],
    verdicts: [...verdictsOf(withheld, 'withheld'), ...next.verdicts],
  };
}

/** Opens the round that waits for nobody. */
function withOpenedRound(step: VerificationStep): VerificationStep {
  const { state } = step;
  if (state.phase !== 'collecting' || state.requested > 0) return step;
  const members = runningOf(state).filter(({ round }) => round === state.round);
  if (members.length === 0 || members.some(({ commitment }) => commitment === null)) return step;
  const opened = openRound(state);
  return { ...step, state: opened.state, actions: [...step.actions, ...opened.actions] };
}

function openRound(state: TaskVerificationState): { state: TaskVerificationState; actions: VerificationAction[] } {
  const { round } = state;
  const committed = runningOf(state).filter((replica) => replica.round === round && replica.commitment !== null);
  const fences = committed.map(({ fence }) => fence);
  const actions: VerificationAction[] = fences.length === 0 ? [] : [{ kind: 'open-commitments', round, fences }];
  // Also when nobody has committed: whoever comes next gets a round with a time of its own.
  return { state: { ...state, round: round + 1 }, actions };
}

function refusal(state: TaskVerificationState, fence: number, reason: RefusalReason): VerificationStep {
  return { state, actions: [{ kind: 'refuse', fence, reason }], verdicts: [] };
}

function runningReplica(state: TaskVerificationState, fence: number): Replica | undefined {
  return state.phase === 'collecting' ? runningOf(state).find((replica) => replica.fence === fence) : undefined;
}
