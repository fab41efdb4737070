/**
 * A front: plans none of which is better than another in every objective. Plain data, kept with the versions of what it
 * was computed from, so that it can be looked at later and another plan be picked from it.
 */
import { FogError } from '@fog/contract';
import { assertAmount, checkObjectives } from './checked-model.ts';
import { byOrder, checkWeights, indexOfLeast, scaledValues } from './exact-scan.ts';
import type { ObjectiveName } from './model.ts';

export interface Versioned {
  id: string;
  version: number;
}

export interface TradeOffs {
  objectives: ObjectiveName[];
  /** What the numbers of the points stand for. */
  tasks: Versioned[];
  nodes: Versioned[];
  /** By the first objective ascending. */
  points: TradeOff[];
}

export interface TradeOff {
  /** One for each objective, in its unit. */
  values: number[];
  /** 0 if the plan keeps what can be kept of deadlines; else by how many milliseconds more they are missed. */
  violation: number;
  /** For each task the index of its node, -1 for none. */
  nodes: number[];
}

/**
 * `knee`: where giving up a little of one objective would no longer buy much of the others: the point that is nearest to
 * the best of each, after each was scaled to 0 to 1. `weights` and `lexicographic` are those of `ScanRule`.
 */
export type PickRule =
  | { by: 'knee' }
  | { by: 'weights'; weights: Readonly<Partial<Record<ObjectiveName, number>>> }
  | { by: 'lexicographic'; order: readonly ObjectiveName[]; tolerance: number };

/**
 * Index of the point that the rule picks; only those with the least violation come into question. Throws `not-found` for a
 * front without points, `invalid-configuration` for a rule that makes no sense or names an objective that is not there.
 */
export function pickTradeOff(front: TradeOffs, rule: PickRule): number {
  checkPick(rule, front.objectives);
  if (front.points.length === 0) throw new FogError('not-found', 'the front has no points, so that none can be picked');
  const least = front.points.reduce((lowest, { violation }) => Math.min(lowest, violation), Infinity);
  const among = front.points.flatMap(({ violation }, index) => (violation === least ? [index] : []));
  return among[pickAmong(front, rule, among)] as number;
}

/** Throws `invalid-configuration` or `invalid-request` for a rule that makes no sense for a front of these objectives. */
export function checkPick(rule: PickRule, objectives: ObjectiveName[]): void {
  if (rule.by === 'knee') return;
  if (rule.by === 'weights') {
    checkWeights(rule.weights);
    for (const name of Object.keys(rule.weights) as ObjectiveName[]) columnOf({ objectives }, name);
    return;
  }
  if (rule.by === 'lexicographic') {
    checkObjectives(rule.order);
    assertAmount('tolerance', rule.tolerance, 0, 1);
    for (const name of rule.order) columnOf({ objectives }, name);
    return;
  }
  throw new FogError('invalid-configuration', `nothing is picked by "${(rule as PickRule).by}"`, {
    hint: 'pick by knee, weights or lexicographic',
  });
}

function pickAmong(front: TradeOffs, rule: PickRule, among: readonly number[]): number {
  const scaled = (name: ObjectiveName) => {
    const column = columnOf(front, name);
    return scaledValues(among.map((index) => front.points[index]?.values[column] as number));
  };
  if (rule.by === 'lexicographic') {
    return byOrder(rule.tolerance, rule.order.map(scaled));
  }
  if (rule.by === 'weights') {
    const names = Object.keys(rule.weights) as ObjectiveName[];
    const columns = names.map(scaled);
    return indexOfLeast(
      among.map((_, at) =>
        names.reduce((sum, name, k) => sum + (rule.weights[name] ?? 0) * (columns[k]?.[at] ?? 0), 0),
      ),
    );
  }
  const columns = front.objectives.map(scaled);
  return indexOfLeast(among.map((_, at) => Math.hypot(...columns.map((column) => column[at] as number))));
}

/** Throws `invalid-configuration` for an objective that the front does not have. */
export function columnOf(front: Pick<TradeOffs, 'objectives'>, name: ObjectiveName): number {
  const column = front.objectives.indexOf(name);
  if (column >= 0) return column;
  throw new FogError('invalid-configuration', `the front has no objective "${name}"`, {
    hint: `it has ${front.objectives.join(', ')}`,
  });
}

/** Nodes of the tasks of one point by their ids; a task without a node is left out. Throws `not-found`. */
export function assignmentsOf(front: TradeOffs, point: number): { task: string; node: string }[] {
  const chosen = front.points[point];
  if (chosen === undefined) {
    throw new FogError('not-found', `the front has no point ${point}`, { hint: `it has ${front.points.length}` });
  }
  return chosen.nodes.flatMap((node, task) => {
    const placed = front.nodes[node];
    return placed === undefined ? [] : [{ task: front.tasks[task]?.id ?? '', node: placed.id }];
  });
}
