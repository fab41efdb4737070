/** What follows for a task from the results it has: the deciding half of `task-verification.ts`. */
import type { Digest } from '@fog/contract';
import { type Agreement, decideQuorum, exclusionsOf, judge, type QuorumRule, type ReplicaResult } from './quorum.ts';
import type { TaskVerification, VerificationDecision, VerificationStep } from './task-verification-state.ts';
import type { VerificationPolicy } from './verification-policy.ts';

/** `isNews`: a result, or what a comparator says of it, has just come in. Adds to `decisions`. */
export function settle(
  state: TaskVerification,
  policy: VerificationPolicy,
  decisions: readonly VerificationDecision[],
  isNews: boolean,
): VerificationStep {
  const results = resultsOf(state);
  const asked = askComparisons(state, policy, pairsOf(results.map(({ digest }) => digest)));
  const all = [...decisions, ...asked.decisions];
  if (isComparing(asked.state)) return { state: asked.state, decisions: all };
  const running = state.replicas.length - results.length + state.requested;
  const agrees = agreementOf(asked.state, policy);
  const decision = decideQuorum(results, ruleOf(state, policy), running, agrees);
  if (decision.kind === 'accept') return accept(asked.state, decision.canonical, agrees, all);
  if (isNews) all.push(...mismatchesOf(results, agrees));
  if (decision.kind === 'wait') return { state: asked.state, decisions: all };
  const exclusions = exclusionsOf(state.replicas);
  if (decision.kind === 'replicate') {
    all.push({ kind: 'replicate', count: decision.count, ...exclusions });
    return { state: { ...asked.state, requested: state.requested + decision.count }, decisions: all };
  }
  all.push({ kind: 'adjudicate', inconclusive: results.map(({ fence }) => fence), ...exclusions });
  return { state: { ...asked.state, phase: 'adjudicating' }, decisions: all };
}

/** Accepts what the trusted node found, as soon as it is compared with all results. */
export function adjudicate(state: TaskVerification, policy: VerificationPolicy): VerificationStep {
  const { adjudicated } = state;
  if (adjudicated === null) return { state, decisions: [] };
  const pairs = resultsOf(state).map(({ digest }) => [digest, adjudicated.digest] as const);
  const asked = askComparisons(state, policy, pairs);
  if (isComparing(asked.state)) return asked;
  return accept(asked.state, adjudicated, agreementOf(asked.state, policy), asked.decisions);
}

/** A task that had been accepted stays so: nothing speaks against its result but a suspicion. */
export function giveUp(
  state: TaskVerification,
  reason: 'inconclusive' | 'replicas-failed',
  decisions: readonly VerificationDecision[],
): VerificationStep {
  const running = state.replicas.filter(({ digest }) => digest === null).map(({ fence }) => fence);
  const all = [...decisions];
  if (running.length > 0) all.push({ kind: 'superfluous', fences: running });
  if (state.accepted === null) all.push({ kind: 'give-up', reason });
  const phase = state.accepted === null ? 'undecided' : 'accepted';
  return { state: { ...finished(state), phase }, decisions: all };
}

/**
 * An accepted task is looked at again. One that ran alone gets replicas up to the quorum; one that had a quorum goes to
 * a trusted node, since more votes of the same kind would prove little.
 */
export function reopen(state: TaskVerification, policy: VerificationPolicy): VerificationStep {
  const reopenedWith = state.replicas.map(({ fence }) => fence);
  const reopened: TaskVerification = { ...state, phase: 'collecting', single: false, reopenedWith, failures: 0 };
  if (state.replicas.length === 1) return settle(reopened, policy, [], false);
  const decision: VerificationDecision = { kind: 'adjudicate', inconclusive: [], ...exclusionsOf(state.replicas) };
  return { state: { ...reopened, phase: 'adjudicating' }, decisions: [decision] };
}

function accept(
  state: TaskVerification,
  canonical: { digest: Digest; fence: number },
  agrees: Agreement,
  decisions: readonly VerificationDecision[],
): VerificationStep {
  const results = resultsOf(state);
  const { valid, invalid } = judge(results, canonical.digest, agrees);
  const previous = state.accepted;
  // What was handed out stays, where it is right: its outputs may be in use already.
  const isCorrection = previous !== null && !agrees(previous.digest, canonical.digest);
  const accepted = previous !== null && !isCorrection ? previous : { digest: canonical.digest, fence: canonical.fence };
  const all = [...decisions];
  const superfluous = state.replicas.filter(({ digest }) => digest === null).map(({ fence }) => fence);
  if (superfluous.length > 0) all.push({ kind: 'superfluous', fences: superfluous });
  all.push({
    kind: 'accept',
    ...accepted,
    valid: valid.map(({ fence }) => fence).filter((fence) => !state.reopenedWith.includes(fence)),
    invalid: invalid.map(({ fence }) => fence),
    confirmedAgain: valid.map(({ fence }) => fence).filter((fence) => state.reopenedWith.includes(fence)),
    isUnreplicated: results.length === 1 && state.adjudicated === null,
    isCorrection,
  });
  return { state: { ...finished(state), phase: 'accepted', accepted }, decisions: all };
}

/** Keeps the results, which a later look at the task starts from, and drops what was under way. */
function finished(state: TaskVerification): TaskVerification {
  return {
    ...state,
    requested: 0,
    rounds: [],
    adjudicated: null,
    reopenedWith: [],
    replicas: state.replicas.filter(({ digest }) => digest !== null),
    comparisons: state.comparisons.filter(({ agree }) => agree !== null),
  };
}

export function resultsOf(state: TaskVerification): (ReplicaResult & { round: number })[] {
  return state.replicas.filter((replica): replica is ReplicaResult & { round: number } => replica.digest !== null);
}

function ruleOf(state: TaskVerification, policy: VerificationPolicy): QuorumRule {
  const quorum = state.single === false ? policy.quorum : 1;
  return { quorum, maxReplicas: policy.maxReplicas, trust: policy.trust ?? null };
}

function mismatchesOf(results: readonly ReplicaResult[], agrees: Agreement): VerificationDecision[] {
  const newest = results.at(-1);
  if (newest === undefined) return [];
  const opposed = judge(results, newest.digest, agrees).invalid;
  if (opposed.length === 0) return [];
  return [{ kind: 'mismatch', fences: [...opposed, newest].map(({ fence }) => fence) }];
}

function agreementOf(state: TaskVerification, policy: VerificationPolicy): Agreement {
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

function isComparing(state: TaskVerification): boolean {
  return state.comparisons.some(({ agree }) => agree === null);
}

/** Asks for the pairs that differ and were not asked for before. */
function askComparisons(
  state: TaskVerification,
  policy: VerificationPolicy,
  wanted: readonly (readonly [Digest, Digest])[],
): VerificationStep {
  if (policy.compare === 'exact') return { state, decisions: [] };
  const pairs: DigestPair[] = [];
  for (const [left, right] of wanted) {
    const pair = { left, right };
    const isKnown = [...state.comparisons, ...pairs].some((made) => isPair(made, pair));
    if (left !== right && !isKnown) pairs.push(pair);
  }
  if (pairs.length === 0) return { state, decisions: [] };
  const comparisons = [...state.comparisons, ...pairs.map((pair) => ({ ...pair, agree: null }))];
  return { state: { ...state, comparisons }, decisions: [{ kind: 'compare', pairs }] };
}

function pairsOf(digests: readonly Digest[]): [Digest, Digest][] {
  return digests.flatMap((right, at) => digests.slice(0, at).map((left): [Digest, Digest] => [left, right]));
}
