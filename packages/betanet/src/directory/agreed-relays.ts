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
}

export type Excluded = { id: string; reason: ExclusionReason };

/**
 * A relay is agreed on when a threshold of the votes name it with one and the same key for the lottery; of these its
 * newest descriptor is taken. Stake, reputation and performance are medians, so that no single authority decides them.
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
    const performance = performanceOf(alike, lottery.leastProbes);
    if (performance !== null && performance < lottery.performanceFloorPpm) {
      excluded.push({ id, reason: 'performance-below-floor' });
      continue;
    }
    agreed.push({
      id,
      votes: alike.length,
      descriptor: newestOf(alike),
      stake: upperMedian(alike.map(({ stake }) => BigInt(stake))) ?? 0n,
      reputationPpm: upperMedian(alike.map(({ reputationPpm }) => reputationPpm)) ?? 0,
      performancePpm: performance ?? lottery.unmeasuredPerformancePpm,
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

/** Null when no authority has sent enough probes through it. */
function performanceOf(named: readonly VotedRelay[], leastProbes: number): number | null {
  const measured = named.filter(({ sent }) => sent >= leastProbes);
  return upperMedian(
    measured.map(({ sent, returned }) => Math.floor((Math.min(sent, returned) * PARTS_PER_MILLION) / sent)),
  );
}

/**
 * Of an even number the upper of the two in the middle: of two authorities one alone cannot put a relay out. Null when
 * there are none.
 */
export function upperMedian<Value extends number | bigint>(values: readonly Value[]): Value | null {
  const sorted = values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}
