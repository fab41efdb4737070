/** What follows for a task from the results it has: the deciding half of `task-verification.ts`. */
import type { Digest, VerificationPolicy } from '@fog/contract';
import type { Verdict } from './node-trust.ts';
import {
  type Agreement,
  decideQuorum,
  type Exclusions,
  exclusionsOf,
  judge,
  type QuorumRule,
  type ReplicaResult,
} from './quorum.ts';
import type {
  Replica,
  TaskVerificationState,
  VerificationAction,
  VerificationStep,
  VerificationVerdict,
} from './task-verification-state.ts';

type RevealedReplica = Replica & ReplicaResult;

/** Accepts, asks for more, or waits. */
export function settle(before: TaskVerificationState, policy: VerificationPolicy): VerificationStep {
  const asked = askComparisons(before, policy, () => pairsOf(resultsOf(before).map(({ digest }) => digest)));
  const { state, actions } = asked;
  if (isComparing(state)) return asked;
  const voters = resultsOf(state).filter(({ fence }) => !state.suspects.includes(fence));
  const running = runningOf(state).length + state.requested;
  const agrees = agreementOf(state, policy);
  const decision = decideQuorum(voters, ruleOf(state, policy), running, agrees);
  switch (decision.kind) {
    case 'accept': {
      const by = voters.length === 1 ? 'alone' : 'quorum';
      return accept(state, { ...decision.canonical, by }, agrees, policy);
    }
    case 'wait':
      return asked;
    case 'replicate': {
      const { count } = decision;
      const place: VerificationAction = { kind: 'place-replicas', count, excluding: excludedFrom(state) };
      return { state: { ...state, requested: state.requested + count }, actions: [...actions, place], verdicts: [] };
    }
    case 'inconclusive': {
      const step = askTrustedNode(state);
      return { ...step, actions: [...actions, ...step.actions] };
    }
  }
}

export function askTrustedNode(state: TaskVerificationState): VerificationStep {
  const action: VerificationAction = { kind: 'adjudicate', excluding: excludedFrom(state) };
  return { state: { ...state, phase: 'adjudicating' }, actions: [action], verdicts: [] };
}

/** Accepts what the trusted node found, as soon as it is compared with all results. */
export function adjudicate(state: TaskVerificationState, policy: VerificationPolicy): VerificationStep {
  const { adjudicated } = state;
  if (adjudicated === null) return { state, actions: [], verdicts: [] };
  const asked = askComparisons(state, policy, () =>
    resultsOf(state).map(({ digest }): [Digest, Digest] => [digest, adjudicated.digest]),
  );
  if (isComparing(asked.state)) return asked;
  return accept(asked.state, { ...adjudicated, by: 'trusted' }, agreementOf(asked.state, policy), policy);
}

/** A task that had been accepted stays so, as it was: nothing speaks against its result but a suspicion. */
export function giveUp(state: TaskVerificationState, reason: 'inconclusive' | 'replicas-failed'): VerificationStep {
  const voters = resultsOf(state).filter(({ fence }) => !state.suspects.includes(fence));
  const actions = cancelRunning(state);
  const verdicts = verdictsOf(voters, 'inconclusive');
  if (state.accepted === null) {
    actions.push({ kind: 'fail', reason });
    return { state: { ...finished(state), phase: 'undecided' }, actions, verdicts };
  }
  const replicas = state.replicas.filter(({ fence }) => state.suspects.includes(fence));
  return { state: { ...finished({ ...state, replicas }), phase: 'accepted', withheldBy: [] }, actions, verdicts };
}

/**
 * An accepted task is looked at again. One that ran alone gets a quorum of others: the result under suspicion has no
 * vote, or one accomplice would confirm it. One that had a quorum goes to a trusted node, since more votes of the same
 * kind would prove little. What a trusted node found, and what nobody wanted verified, stays.
 */
export function reopen(state: TaskVerificationState, policy: VerificationPolicy): VerificationStep | null {
  const { phase, accepted } = state;
  if (phase !== 'accepted' || accepted === null || accepted.by === 'trusted' || policy.mode === 'none') return null;
  const suspects = state.replicas.map(({ fence }) => fence);
  const reopened: TaskVerificationState = { ...state, phase: 'collecting', single: false, suspects, failures: 0 };
  return accepted.by === 'alone' ? settle(reopened, policy) : askTrustedNode(reopened);
}

function accept(
  state: TaskVerificationState,
  { digest, fence, by }: NonNullable<TaskVerificationState['accepted']>,
  agrees: Agreement,
  policy: VerificationPolicy,
): VerificationStep {
  const previous = state.accepted;
  const isConfirmed = previous !== null && agrees(previous.digest, digest);
  // What was handed out stays, where it is right: its outputs may be in use already.
  const accepted = isConfirmed ? { ...previous, by } : { digest, fence, by };
  const actions = cancelRunning(state);
  if (!isConfirmed) actions.push({ kind: 'accept', fence, digest, isCorrection: previous !== null });
  const { valid, invalid } = judge(resultsOf(state), digest, agrees);
  const isSuspect = (result: ReplicaResult) => state.suspects.includes(result.fence);
  // It has no vote, and is not condemned either.
  const isUnknown = (result: ReplicaResult) =>
    state.comparisons.some((made) => made.agree === 'unknown' && isPair(made, { left: result.digest, right: digest }));
  const verdicts = [
    ...verdictsOf(valid.filter(isSuspect), 'cleared'),
    ...verdictsOf(
      valid.filter((result) => !isSuspect(result)),
      by === 'alone' ? 'alone' : 'valid',
    ),
    ...verdictsOf(
      invalid.filter((result) => !isUnknown(result)),
      'invalid',
    ),
    ...verdictsOf(invalid.filter(isUnknown), 'inconclusive'),
  ];
  return {
    state: { ...finished(state), phase: 'accepted', accepted },
    actions,
    // Without verification there is nothing to learn, and nothing to verify again when the node is found out.
    verdicts: policy.mode === 'none' ? [] : verdicts,
  };
}

/** Keeps the results, which a later look at the task starts from, and drops what was under way. */
function finished(state: TaskVerificationState): TaskVerificationState {
  return {
    ...state,
    requested: 0,
    adjudicated: null,
    suspects: [],
    replicas: resultsOf(state),
    comparisons: state.comparisons.filter(({ agree }) => typeof agree === 'boolean'),
  };
}

export function resultsOf(state: TaskVerificationState): RevealedReplica[] {
  return state.replicas.filter((replica): replica is RevealedReplica => replica.digest !== null);
}

export function runningOf(state: TaskVerificationState): Replica[] {
  return state.replicas.filter(({ digest }) => digest === null);
}

export function excludedFrom(state: TaskVerificationState): Exclusions {
  return exclusionsOf([...state.replicas, ...state.withheldBy]);
}

export function verdictsOf(replicas: readonly Replica[], verdict: Verdict): VerificationVerdict[] {
  return replicas.map(({ fence, nodeId }) => ({ fence, nodeId, verdict }));
}

function cancelRunning(state: TaskVerificationState): VerificationAction[] {
  const fences = runningOf(state).map(({ fence }) => fence);
  return fences.length === 0 ? [] : [{ kind: 'cancel', fences }];
}

function ruleOf(state: TaskVerificationState, policy: VerificationPolicy): QuorumRule {
  if (policy.mode === 'none') return { quorum: 1, maxReplicas: 1, trust: null };
  const quorum = state.single === false ? policy.quorum : 1;
  return { quorum, maxReplicas: policy.maxReplicas, trust: policy.trust ?? null };
}

function agreementOf(state: TaskVerificationState, policy: VerificationPolicy): Agreement {
  if (policy.compare === 'exact') return (left, right) => left === right;
  return (left, right) =>
    left === right || state.comparisons.some((made) => made.agree === true && isPair(made, { left, right }));
}

export interface DigestPair {
  left: Digest;
  right: Digest;
}

export function isPair(made: DigestPair, asked: DigestPair): boolean {
  return (
    (made.left === asked.left && made.right === asked.right) || (made.left === asked.right && made.right === asked.left)
  );
}

function isComparing(state: TaskVerificationState): boolean {
  return state.comparisons.some(({ agree }) => agree === null);
}

/** Asks for the pairs that differ and were not asked for before. */
function askComparisons(
  state: TaskVerificationState,
  policy: VerificationPolicy,
  wanted: () => [Digest, Digest][],
): VerificationStep {
  if (policy.compare === 'exact') return { state, actions: [], verdicts: [] };
  const pairs: DigestPair[] = [];
  for (const [left, right] of wanted()) {
    const pair = { left, right };
    const isKnown = [...state.comparisons, ...pairs].some((made) => isPair(made, pair));
    if (left !== right && !isKnown) pairs.push(pair);
  }
  if (pairs.length === 0) return { state, actions: [], verdicts: [] };
  const comparisons = [...state.comparisons, ...pairs.map((pair) => ({ ...pair, agree: null }))];
  return { state: { ...state, comparisons }, actions: [{ kind: 'compare', pairs }], verdicts: [] };
}

function pairsOf(digests: readonly Digest[]): [Digest, Digest][] {
  return digests.flatMap((right, at) => digests.slice(0, at).map((left): [Digest, Digest] => [left, right]));
}
