/**
 * Whether a task that is leased to a node needs a second opinion.
 *
 * Source: BOINC, "Adaptive replication": with N valid results in a row, a node with N < 10 is never trusted, and any
 * other with probability 1 - 1/N. The decision falls when the task is leased; the node is not told. Unlike BOINC, a
 * result that nobody checked does not raise N, so a liar that is lucky does not become harder to find.
 */
import { VERIFICATION_LIMITS } from './limits.ts';
import type { NodeTrust } from './node-trust.ts';

/** Probability that a task runs on this node alone. */
export function singleProbability({ consecutiveValid }: Pick<NodeTrust, 'consecutiveValid'>): number {
  return consecutiveValid < VERIFICATION_LIMITS.provenAfterValid ? 0 : 1 - 1 / consecutiveValid;
}

/** `random`: a fresh number in [0, 1) that the node cannot foresee. */
export function runsAlone(trust: Pick<NodeTrust, 'consecutiveValid'>, random: number): boolean {
  return random < singleProbability(trust);
}
