/**
 * What follows from the results of a task so far.
 *
 * m-first (Sarmenta 2001): the first result that enough independent results agree with is accepted; it is called the
 * canonical one. Whoever agrees with it is valid, all others are found invalid. Which result comes first may decide
 * which of two quorums wins; given the winner, the order of results decides nothing.
 *
 * A quorum must not be outweighed: as long as other results are together more credible than it, it is not accepted. Two
 * unknown nodes that agree do not refute a proven one; that takes a third. This costs nothing where liars differ, and
 * where they agree, it takes more of them to condemn a good node.
 *
 * Independent are results of different owners behind different network prefixes. Results of one task always are: no
 * lease to an owner or prefix in use is taken (`mayRun`).
 */
import type { Digest } from '@fog/contract';
import { groupCredibilities } from './credibility.ts';

/** Who computes a replica. */
export interface ReplicaHolder {
  nodeId: string;
  owner: string;
  /** What `networkPrefix` answered. */
  prefix: string;
}

export interface ReplicaResult extends ReplicaHolder {
  fence: number;
  digest: Digest;
  /** Of the node when it got the task: 0 to 1. */
  credibility: number;
}

export interface QuorumRule {
  /** Independent results that must agree; 1 for a task that runs alone. */
  quorum: number;
  /** Results after which replication gives up. */
  maxReplicas: number;
  /** Credibility that the accepted results must reach besides; null when the quorum is enough. */
  trust: number | null;
}

/** Symmetric, and true for equal digests. It need not be transitive. */
export type Agreement = (left: Digest, right: Digest) => boolean;

export type QuorumDecision =
  | { kind: 'accept'; canonical: ReplicaResult; valid: ReplicaResult[]; invalid: ReplicaResult[] }
  /** `count` more than are running. */
  | { kind: 'replicate'; count: number }
  /** What is running may decide it. */
  | { kind: 'wait' }
  | { kind: 'inconclusive' };

/** Owners and prefixes that may not get another replica. */
export interface Exclusions {
  owners: string[];
  prefixes: string[];
}

/** `results`: independent ones, in the order of their arrival; `running`: replicas that are asked for or under way. */
export function decideQuorum(
  results: readonly ReplicaResult[],
  rule: QuorumRule,
  running: number,
  agrees: Agreement,
): QuorumDecision {
  for (let arrived = 1; arrived <= results.length; arrived += 1) {
    const canonical = firstCanonical(results.slice(0, arrived), rule, agrees);
    if (canonical !== null) return { kind: 'accept', canonical, ...judge(results, canonical.digest, agrees) };
  }
  const room = rule.maxReplicas - results.length - running;
  const missing = leastMissing(results, rule, agrees) - running;
  // Where the room is too small for a quorum, more replicas would only cost.
  if (missing > 0 && missing <= room) return { kind: 'replicate', count: missing };
  return running > 0 ? { kind: 'wait' } : { kind: 'inconclusive' };
}

/** Who is valid when this digest is the right one. */
export function judge<Result extends { digest: Digest }>(
  results: readonly Result[],
  digest: Digest,
  agrees: Agreement,
): { valid: Result[]; invalid: Result[] } {
  const valid = results.filter((result) => agrees(result.digest, digest));
  return { valid, invalid: results.filter((result) => !valid.includes(result)) };
}

export function exclusionsOf(holders: readonly Omit<ReplicaHolder, 'nodeId'>[]): Exclusions {
  return {
    owners: [...new Set(holders.map(({ owner }) => owner))],
    prefixes: [...new Set(holders.map(({ prefix }) => prefix))],
  };
}

export function isExcluded({ owner, prefix }: Omit<ReplicaHolder, 'nodeId'>, exclusions: Exclusions): boolean {
  return exclusions.owners.includes(owner) || exclusions.prefixes.includes(prefix);
}

function firstCanonical(results: readonly ReplicaResult[], rule: QuorumRule, agrees: Agreement): ReplicaResult | null {
  return (
    results.find(({ digest }) => {
      const { valid, invalid } = judge(results, digest, agrees);
      if (valid.length < rule.quorum) return false;
      const [own = 0, ...others] = credibilitiesOf(valid, invalid, agrees);
      return own >= Math.max(rule.trust ?? 0, ...others);
    }) ?? null
  );
}

/** First the group's, then those of the groups that the others form. */
function credibilitiesOf(
  group: readonly ReplicaResult[],
  others: readonly ReplicaResult[],
  agrees: Agreement,
): number[] {
  const groups = [group, ...groupsByFirst(others, agrees)];
  return groupCredibilities(groups.map((members) => members.map(({ credibility }) => credibility)));
}

/** Each result joins the first group whose first member it agrees with. */
function groupsByFirst(results: readonly ReplicaResult[], agrees: Agreement): ReplicaResult[][] {
  const groups: ReplicaResult[][] = [];
  for (const result of results) {
    const group = groups.find(([first]) => first !== undefined && agrees(first.digest, result.digest));
    if (group === undefined) groups.push([result]);
    else group.push(result);
  }
  return groups;
}

/** Results without which no quorum is possible; at least one, since what is there did not suffice. */
function leastMissing(results: readonly ReplicaResult[], rule: QuorumRule, agrees: Agreement): number {
  const weights = results.map(({ digest }) => judge(results, digest, agrees).valid.length);
  return Math.max(1, rule.quorum - Math.max(0, ...weights));
}
