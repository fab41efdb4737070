/**
 * The best node for one task, by looking at every node: exact, and O(nodes). No search can do better for a single task.
 *
 * Deadlines come first: as long as a node can meet the task's, none that misses it is taken, and if none can, only those
 * that miss it by the least are compared.
 */
import { FogError } from '@fog/contract';
import { assertAmount, checkNodes, checkObjectives, checkTask } from './checked-model.ts';
import { estimatePair, type PairEstimate } from './estimates.ts';
import { feasibility, noFeasibleNode } from './feasibility.ts';
import { type NodeOffer, type ObjectiveName, resourceNames, type TaskToPlace } from './model.ts';
import { estimateLoad } from './router/load.ts';

/**
 * `weights`: the least weighted sum, after each objective was scaled to 0 for the best of the nodes and 1 for the worst.
 * `lexicographic`: the best by the first objective; of those within `tolerance` (a share of the scale) of it the best by
 * the second, and so on.
 */
export type ScanRule =
  | { by: 'weights'; weights: Readonly<Partial<Record<ObjectiveName, number>>> }
  | { by: 'lexicographic'; order: readonly ObjectiveName[]; tolerance: number };

export interface ScanResult {
  /** Index of the node. */
  node: number;
  estimate: PairEstimate;
  /** Nodes that it was chosen from. */
  compared: number;
}

/**
 * Throws `unavailable` when no node suits and has room, with what excludes how many; `invalid-request` or
 * `invalid-configuration` for what makes no sense.
 */
export function scanNodes(task: TaskToPlace, nodes: readonly NodeOffer[], rule: ScanRule, now: number): ScanResult {
  checkTask(task);
  checkNodes(nodes);
  const objectives = objectivesOf(rule);
  const possible = feasibility(task, nodes, now);
  if (possible.ready.length === 0) throw noFeasibleNode(task, possible);
  const estimates = possible.ready.map((node) => ({
    node,
    estimate: estimatePair(task, nodes[node] as NodeOffer, now),
  }));
  const leastLate = estimates.reduce((least, { estimate }) => Math.min(least, estimate.latenessMilliseconds), Infinity);
  const punctual = estimates.filter(({ estimate }) => estimate.latenessMilliseconds === leastLate);
  const scaled = objectives.map((name) => scaledValues(punctual.map(({ estimate }) => worthOf(name, estimate))));
  const best = rule.by === 'weights' ? byWeights(rule, objectives, scaled) : byOrder(rule.tolerance, scaled);
  const { node, estimate } = punctual[best] as (typeof punctual)[number];
  return { node, estimate, compared: possible.ready.length };
}

export interface RankedNode {
  /** Index of the node. */
  node: number;
  estimate: PairEstimate;
}

/**
 * All nodes that suit and have room, the best by the weights first: for tasks that are alike, which fill one node after
 * the other. Of equal nodes the emptier goes first. Nodes that would miss the deadline come last, by how much. O(n log n)
 * for n nodes. Empty where none is ready; throws `invalid-request` or `invalid-configuration` for what makes no sense.
 */
export function rankNodes(
  task: TaskToPlace,
  nodes: readonly NodeOffer[],
  weights: Readonly<Partial<Record<ObjectiveName, number>>>,
  now: number,
): RankedNode[] {
  checkTask(task);
  checkNodes(nodes);
  const objectives = objectivesOf({ by: 'weights', weights });
  const ready = feasibility(task, nodes, now).ready.map((node) => {
    return { node, estimate: estimatePair(task, nodes[node] as NodeOffer, now) };
  });
  const scaled = objectives.map((name) => scaledValues(ready.map(({ estimate }) => worthOf(name, estimate))));
  const names = resourceNames([task.needs]);
  const keys = ready.map(({ node, estimate }, at) => ({
    late: estimate.latenessMilliseconds,
    sum: objectives.reduce((sum, name, index) => sum + (weights[name] ?? 0) * (scaled[index]?.[at] ?? 0), 0),
    load: estimateLoad(nodes[node] as NodeOffer, names),
  }));
  const order = ready.map((_, at) => at);
  order.sort((a, b) => {
    const [left, right] = [keys[a] as (typeof keys)[number], keys[b] as (typeof keys)[number]];
    return left.late - right.late || left.sum - right.sum || left.load - right.load;
  });
  return order.map((at) => ready[at] as RankedNode);
}

/** Of one task alone fairness has nothing to compare; its slowdown grows with its completion time. */
function worthOf(name: ObjectiveName, estimate: PairEstimate): number {
  switch (name) {
    case 'completionTime':
    case 'fairness':
      return estimate.completionMilliseconds;
    case 'cost':
      return estimate.costMicroFog;
    case 'energy':
      return estimate.energyJoules;
    case 'failureRisk':
      return estimate.failureRisk;
  }
}

function objectivesOf(rule: ScanRule): readonly ObjectiveName[] {
  const objectives = rule.by === 'weights' ? (Object.keys(rule.weights) as ObjectiveName[]) : rule.order;
  checkObjectives(objectives);
  if (rule.by === 'lexicographic') assertAmount('tolerance', rule.tolerance, 0, 1);
  else checkWeights(rule.weights);
  return objectives;
}

/** Throws `invalid-configuration` for weights that are negative, not finite, or all 0. */
export function checkWeights(weights: Readonly<Partial<Record<ObjectiveName, number>>>): void {
  const values = Object.values(weights);
  const sum = values.reduce((total, value) => total + value, 0);
  if (values.every((value) => value >= 0) && sum > 0 && Number.isFinite(sum)) return;
  throw new FogError('invalid-configuration', `the weights ${JSON.stringify(weights)} cannot be used`, {
    hint: 'give each objective a number of at least 0, and one of them more',
  });
}

/** 0 for the least, 1 for the greatest; all 0 where they are equal. */
export function scaledValues(values: readonly number[]): number[] {
  let least = Infinity;
  let greatest = -Infinity;
  for (const value of values) {
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  const width = greatest - least;
  return values.map((value) => (width === 0 ? 0 : (value - least) / width));
}

function byWeights(
  { weights }: Extract<ScanRule, { by: 'weights' }>,
  objectives: readonly ObjectiveName[],
  scaled: readonly number[][],
): number {
  const count = scaled[0]?.length ?? 0;
  const sums = Array.from({ length: count }, (_, at) =>
    objectives.reduce((sum, name, index) => sum + (weights[name] ?? 0) * (scaled[index]?.[at] ?? 0), 0),
  );
  return indexOfLeast(sums);
}

/** Index of the best by the first column; of those within `tolerance` the best by the next, and so on. */
export function byOrder(tolerance: number, scaled: readonly (readonly number[])[]): number {
  let left = (scaled[0] ?? []).map((_, at) => at);
  for (const column of scaled.slice(0, -1)) {
    const best = left.reduce((least, at) => Math.min(least, column[at] as number), Infinity);
    left = left.filter((at) => (column[at] as number) <= best + tolerance);
  }
  const last = scaled.at(-1) ?? [];
  return left.reduce((best, at) => ((last[at] as number) < (last[best] as number) ? at : best), left[0] ?? 0);
}

export function indexOfLeast(values: readonly number[]): number {
  return values.reduce((best, value, at) => (value < (values[best] as number) ? at : best), 0);
}
