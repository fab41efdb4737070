/**
 * How likely a result is right, as far as the record of its nodes tells.
 *
 * Source: L. F. G. Sarmenta, "Sabotage-Tolerance Mechanisms for Volunteer Computing Systems", CCGrid 2001, the section
 * on credibility-based fault tolerance, without blacklisting: nodes that are found out may go on, or come back under
 * another name. Results that a quorum confirmed count as passed checks.
 *
 * Both formulas take nodes to err independently. Nodes that agree on a wrong value break that, and a number computed
 * here is then too high; the rule of one replica per owner and network is what stands against them.
 */
import { ASSUMED_FAULTY_SHARE } from './limits.ts';

/**
 * Of a node that passed `checks` checks in a row: 1 - f / k, and 1 - f before the first, where f is the assumed share
 * of nodes that lie.
 *
 * Why: a liar that lies with probability s survives k checks with probability (1 - s)^k, so the next result of a
 * survivor is wrong with probability of at most f / (1 - f) * s (1 - s)^k. Over all s that is at most
 * f / (1 - f) / (k e), which is below f / k as long as fewer than 63 % of the nodes lie.
 */
export function nodeCredibility(checks: number, faultyShare: number = ASSUMED_FAULTY_SHARE): number {
  return 1 - faultyShare / Math.max(1, checks);
}

/**
 * Credibility of each group of equal results of one task; an entry of `groups` lists the credibilities of its results.
 *
 * By Bayes over the cases that can be: one group is right and all others are wrong, or all are wrong.
 *
 *     P(a) = right(a) Π wrong(b≠a)  /  ( Π wrong(all) + Σ right(g) Π wrong(h≠g) )
 *     right(g) = Π c of its results,  wrong(g) = Π (1 - c)
 */
export function groupCredibilities(groups: readonly (readonly number[])[]): number[] {
  const right = groups.map((group) => group.reduce((product, credibility) => product * credibility, 1));
  const wrong = groups.map((group) => group.reduce((product, credibility) => product * (1 - credibility), 1));
  const cases = groups.map((_, index) =>
    wrong.reduce((product, factor, other) => (other === index ? product : product * factor), right[index] ?? 0),
  );
  const allWrong = wrong.reduce((product, factor) => product * factor, 1);
  const total = cases.reduce((sum, probability) => sum + probability, allWrong);
  // Only results that are surely right and contradict each other make all cases impossible: nothing is known then.
  return total === 0 ? cases.map(() => 0) : cases.map((probability) => probability / total);
}
