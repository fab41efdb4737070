/** What counted votes come to: which relays exist, with what standing, and how well they performed. */
import { PARTS_PER_MILLION } from '../lottery/fixed-point.ts';
import type { Descriptor, ExclusionReason, Vote, VotedRelay } from './documents.ts';
import type { LotterySettings } from './genesis.ts';
import { DIRECTORY_LIMITS } from './limits.ts';

export interface AgreedRelay {
  id: string;
  descriptor: Descriptor;
  stake: bigint;
  reputationPpm: number;
  performancePpm: number;
  /** False: the performance is what the network gives to those that it does not know yet. */
  isMeasured: boolean;
}

export type Excluded = { id: string; reason: ExclusionReason };

/**
 * A relay is agreed on when a threshold of the votes name it with one and the same key for the lottery; of these its
 * newest descriptor is taken. Stake, reputation and performance are medians, so that no single authority decides them.
 * Whether it performs well enough is another question, see `belowFloor`.
 */
export function agreedRelays(
  votes: readonly Vote[],
  threshold: number,
  lottery: LotterySettings,
): { agreed: AgreedRelay[]; excluded: Excluded[] } {
  const byRelay = Map.groupBy(
    votes.flatMap(({ relays }) => relays),
    ({ id }) => id,
  );
  const excluded: Excluded[] = [];
  const agreed: (AgreedRelay & { votes: number })[] = [];
  for (const [id, named] of byRelay) {
    const alike = alikeOf(named, threshold);
    if (alike === null) {
      excluded.push({ id, reason: 'known-to-too-few' });
      continue;
    }
    const performance = performanceOf(alike, threshold, lottery.leastProbes);
    agreed.push({
      id,
      votes: alike.length,
      descriptor: newestOf(alike),
      stake: upperMedian(alike.map(({ stake }) => BigInt(stake))) ?? 0n,
      reputationPpm: upperMedian(alike.map(({ reputationPpm }) => reputationPpm)) ?? 0,
      performancePpm: performance ?? lottery.unmeasuredPerformancePpm,
      isMeasured: performance !== null,
    });
  }
  // Votes of 2,048 relays each that hardly overlap: the best known ones stay.
  agreed.sort((a, b) => b.votes - a.votes || (a.id < b.id ? -1 : 1));
  const over = agreed.splice(DIRECTORY_LIMITS.relays);
  excluded.push(...over.map(({ id }): Excluded => ({ id, reason: 'known-to-too-few' })));
  return { agreed: agreed.map(({ votes: _, ...relay }) => relay), excluded };
}

function alikeOf(named: readonly VotedRelay[], threshold: number): VotedRelay[] | null {
  const byKey = Map.groupBy(named, ({ descriptor }) => descriptor.body.vrfKey);
  return [...byKey.values()].find(({ length }) => length >= threshold) ?? null;
}

/** Of two with one sequence number, for which a relay has only itself to blame, the first by their signatures. */
function newestOf(named: readonly VotedRelay[]): Descriptor {
  return named
    .map(({ descriptor }) => descriptor)
    .reduce((best, other) => {
      const ahead = other.body.sequence - best.body.sequence;
      return ahead > 0 || (ahead === 0 && other.signature < best.signature) ? other : best;
    }).body;
}

/**
 * Null when fewer than a threshold of authorities have sent enough probes through it: otherwise one that lies could put
 * out whom the others do not know yet. Never zero: where it is among the best of a layer, it needs some weight.
 */
function performanceOf(named: readonly VotedRelay[], threshold: number, leastProbes: number): number | null {
  const measured = named.filter(({ sent }) => sent >= leastProbes);
  if (measured.length < threshold) return null;
  const shares = measured.map(({ sent, returned }) =>
    Math.floor((Math.min(sent, returned) * PARTS_PER_MILLION) / sent),
  );
  return Math.max(1, upperMedian(shares) ?? 0);
}

/**
 * Ids of those that are put out for what they lose, of relays of one role. The worst go first, and not all may go: the
 * better half stays, and of relays and of operators as many as a path needs, `leastKept`. So neither a fault of the
 * measurement nor somebody who has others blamed leaves a layer empty.
 */
export function belowFloor(relays: readonly AgreedRelay[], floorPpm: number, leastKept: number): Set<string> {
  const least = Math.max(leastKept, Math.ceil(relays.length / 2));
  const ofOperator = new Map<string, number>();
  for (const { descriptor } of relays) {
    ofOperator.set(descriptor.operator, (ofOperator.get(descriptor.operator) ?? 0) + 1);
  }
  const out = new Set<string>();
  const failing = relays.filter(({ isMeasured, performancePpm }) => isMeasured && performancePpm < floorPpm);
  failing.sort((a, b) => a.performancePpm - b.performancePpm || (a.id < b.id ? -1 : 1));
  for (const { id, descriptor } of failing) {
    const left = (ofOperator.get(descriptor.operator) ?? 0) - 1;
    if (relays.length - out.size <= least || (left === 0 && ofOperator.size <= leastKept)) continue;
    if (left === 0) ofOperator.delete(descriptor.operator);
    else ofOperator.set(descriptor.operator, left);
    out.add(id);
  }
  return out;
}

/**
 * Of an even number the upper of the two in the middle: of two authorities one alone cannot put a relay out. Null when
 * there are none.
 */
export function upperMedian<Value extends number | bigint>(values: readonly Value[]): Value | null {
  const sorted = values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}
