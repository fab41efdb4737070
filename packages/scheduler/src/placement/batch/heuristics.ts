/**
 * Placements of a whole batch that are good at one thing, or at several by weights: what the optimiser begins with. Each
 * is made greedily and then improved, task by task, until no task gains by going elsewhere.
 */
import type { RandomNumbers } from '../../random-numbers.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import { type Batch, fitsInto, meetsReplica, NOWHERE, suitsNode, useRoom } from './batch.ts';
import type { PairTable } from './pair-table.ts';
import { rebuilt } from './rebuilding.ts';

/** Rounds of improvement: later ones hardly find anything. */
const ROUNDS = 4;
/** Lateness comes first: one millisecond of it weighs more than all objectives of a task together. */
const LATENESS_WEIGHT = 1e6;

export class Heuristics {
  readonly #batch: Batch;
  readonly #table: PairTable;
  /** Cost of each pair under the weights at hand. */
  readonly #costs: Float64Array;
  readonly #free: Float64Array;
  readonly #tasksOn: Int32Array;
  readonly #wakingCosts: Float64Array;

  constructor(batch: Batch, table: PairTable) {
    this.#batch = batch;
    this.#table = table;
    this.#costs = new Float64Array(batch.tasks.length * batch.nodes.length);
    this.#free = batch.free.slice();
    this.#tasksOn = new Int32Array(batch.nodes.length);
    this.#wakingCosts = new Float64Array(batch.nodes.length);
  }

  /**
   * The least weighted sum that this finds, one weight for each objective, in units of the pair table. Tasks get room in
   * the order of the batch, or those first that lose most by not getting their best node (`byRegret`).
   */
  byWeights(weights: readonly number[], byRegret: boolean): Int32Array {
    this.#weigh(weights);
    const order = byRegret ? this.#orderOf(regretOf) : this.#batch.order;
    return this.#place(order);
  }

  /** The cheapest by one objective that is found from these placements by filling nodes anew. */
  byRebuilding(objective: number, placements: readonly Int32Array[], random: RandomNumbers): Int32Array {
    this.#weigh(this.#batch.objectives.map((_, index) => (index === objective ? 1 : 0)));
    const isWorstTenant = this.#batch.objectives[objective] === 'fairness';
    const costs = { pairs: this.#costs, waking: this.#wakingCosts, isWorstTenant };
    // Together the objectives take as long as one alone.
    const shares = this.#batch.objectives.length * placements.length;
    const budget = {
      attempts: Math.ceil(PLACEMENT_LIMITS.rebuildings / shares),
      steps: PLACEMENT_LIMITS.rebuildingSteps / shares,
    };
    const found = placements.map((placement) => rebuilt(this.#batch, costs, placement, budget, random));
    return found.reduce((best, each) => (each.cost < best.cost ? each : best)).placement;
  }

  /** Each task where it ends first, the shortest first (min-min). */
  minMin(): Int32Array {
    this.#weigh(this.#batch.objectives.map((name) => (name === 'completionTime' ? 1 : 0)));
    return this.#place(this.#orderOf((row) => -leastOf(row)));
  }

  /** Each task on the node that it leaves least room on: nodes are filled one after the other. */
  bestFit(): Int32Array {
    const { tasks, nodes, order, width } = this.#batch;
    const placement = this.#begin();
    for (const task of order) {
      let best = NOWHERE;
      let bestRest = Infinity;
      for (let node = 0; node < nodes.length; node += 1) {
        if (!this.#isOpen(task, node, placement)) continue;
        let rest = 0;
        for (let at = 0; at < width; at += 1) {
          const whole = this.#batch.free[node * width + at] as number;
          if (whole > 0) rest += (this.#free[node * width + at] as number) / whole;
        }
        if (rest >= bestRest) continue;
        bestRest = rest;
        best = node;
      }
      const running = this.#batch.runningOn[task] as number;
      this.#put(task, tasks[task]?.running != null && running !== NOWHERE ? running : best, placement);
    }
    return placement;
  }

  #weigh(weights: readonly number[]): void {
    const { values, width, waking } = this.#table;
    const costs = this.#costs;
    const energy = this.#batch.objectives.indexOf('energy');
    this.#wakingCosts.fill(0);
    if (energy >= 0) {
      for (let node = 0; node < waking.length; node += 1)
        this.#wakingCosts[node] = (waking[node] as number) * (weights[energy] as number);
    }
    const all = [...weights, LATENESS_WEIGHT];
    for (let pair = 0, at = 0; pair < costs.length; pair += 1, at += width) {
      // Where a node does not suit: a weight of 0 would make it NaN.
      if (values[at] === Infinity) {
        costs[pair] = Infinity;
        continue;
      }
      let cost = 0;
      for (let column = 0; column < width; column += 1)
        cost += (all[column] as number) * (values[at + column] as number);
      costs[pair] = cost;
    }
  }

  #place(order: Int32Array): Int32Array {
    const placement = this.#begin();
    for (const task of order) this.#put(task, this.#cheapest(task, placement, NOWHERE), placement);
    for (let round = 0; round < ROUNDS; round += 1) {
      let moved = 0;
      for (const task of order) {
        const before = placement[task] as number;
        if (before !== NOWHERE) this.#take(task, before, placement);
        const best = this.#cheapest(task, placement, before);
        this.#put(task, best, placement);
        if (best !== before) moved += 1;
      }
      if (moved === 0) break;
    }
    return placement;
  }

  #begin(): Int32Array {
    this.#free.set(this.#batch.free);
    this.#tasksOn.fill(0);
    return new Int32Array(this.#batch.tasks.length).fill(NOWHERE);
  }

  /** The node with room that costs least; `before` unless another is cheaper. */
  #cheapest(task: number, placement: Int32Array, before: number): number {
    const { nodes } = this.#batch;
    const costs = this.#costs;
    const from = task * nodes.length;
    let best = before;
    let bestCost = before === NOWHERE ? Infinity : this.#costOn(from, before);
    for (let node = 0; node < nodes.length; node += 1) {
      if ((costs[from + node] as number) >= bestCost) continue;
      const cost = this.#costOn(from, node);
      if (cost >= bestCost || !this.#isOpen(task, node, placement)) continue;
      bestCost = cost;
      best = node;
    }
    return best;
  }

  #costOn(from: number, node: number): number {
    const waking = this.#tasksOn[node] === 0 ? (this.#wakingCosts[node] as number) : 0;
    return (this.#costs[from + node] as number) + waking;
  }

  #isOpen(task: number, node: number, placement: Int32Array): boolean {
    return (
      fitsInto(this.#batch, task, this.#free, node) &&
      suitsNode(this.#batch, task, node) &&
      !meetsReplica(this.#batch, task, node, placement)
    );
  }

  #put(task: number, node: number, placement: Int32Array): void {
    placement[task] = node;
    if (node === NOWHERE) return;
    useRoom(this.#batch, task, this.#free, node, -1);
    this.#tasksOn[node] = (this.#tasksOn[node] as number) + 1;
  }

  #take(task: number, node: number, placement: Int32Array): void {
    placement[task] = NOWHERE;
    useRoom(this.#batch, task, this.#free, node, 1);
    this.#tasksOn[node] = (this.#tasksOn[node] as number) - 1;
  }

  /** Tasks by what `keyOf` says of the row of their costs, the greatest first. */
  #orderOf(keyOf: (row: Float64Array) => number): Int32Array {
    const { tasks, nodes } = this.#batch;
    const keys = Float64Array.from(tasks, (_, task) =>
      keyOf(this.#costs.subarray(task * nodes.length, (task + 1) * nodes.length)),
    );
    return this.#batch.order.slice().sort((left, right) => {
      const one = keys[left] as number;
      const other = keys[right] as number;
      return one === other ? 0 : other > one ? 1 : -1;
    });
  }
}

function leastOf(row: Float64Array): number {
  let least = Infinity;
  for (let node = 0; node < row.length; node += 1) least = Math.min(least, row[node] as number);
  return least;
}

/** What a task loses if its best node is full: the difference to the second best; without a second it comes first. */
function regretOf(row: Float64Array): number {
  let least = Infinity;
  let second = Infinity;
  for (let node = 0; node < row.length; node += 1) {
    const cost = row[node] as number;
    if (cost < least) {
      second = least;
      least = cost;
    } else if (cost < second) second = cost;
  }
  return second === Infinity ? Infinity : second - least;
}

/**
 * Weightings spread evenly over all that sum to 1, at most `most`: those of a single objective first, then the others in
 * an order in which any first part of them is spread, too.
 */
export function weightings(objectives: number, most: number): number[][] {
  let steps = 1;
  while (choose(steps + 1 + objectives - 1, objectives - 1) <= most && steps < most) steps += 1;
  const all =
    objectives === 1 ? [[1]] : compositions(steps, objectives).map((parts) => parts.map((part) => part / steps));
  const single = all.filter((weights) => weights.includes(1));
  const mixed = all.filter((weights) => !weights.includes(1));
  return [...single, ...spread(mixed)];
}

/** Steps through the list by the golden ratio, so that neighbours come far apart. */
function spread<Entry>(list: readonly Entry[]): Entry[] {
  let step = Math.max(1, Math.round(list.length * 0.618));
  while (divisor(step, list.length) > 1) step += 1;
  return list.map((_, index) => list[(index * step) % list.length] as Entry);
}

function divisor(left: number, right: number): number {
  return right === 0 ? left : divisor(right, left % right);
}

function choose(n: number, k: number): number {
  let result = 1;
  for (let at = 1; at <= k; at += 1) result = (result * (n - k + at)) / at;
  return result;
}

function compositions(sum: number, parts: number): number[][] {
  if (parts === 1) return [[sum]];
  return Array.from({ length: sum + 1 }, (_, first) =>
    compositions(sum - first, parts - 1).map((rest) => [first, ...rest]),
  ).flat();
}
