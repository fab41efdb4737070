/**
 * The batch as the optimiser sees it. Each individual that it evaluates has been mended before, so that no node ever holds
 * more than it can and no replicas meet: a task that finds no room is left, which is a violation that weighs.
 */
import type { AssignmentChange, AssignmentProblem } from '../../nsga2/index.ts';
import type { RandomNumbers } from '../../random-numbers.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import { type Batch, fitsInto, meetsReplica, NOWHERE, suitsNode, useRoom } from './batch.ts';
import type { PairTable } from './pair-table.ts';
import type { Scores } from './scores.ts';

export class BatchProblem implements AssignmentProblem {
  readonly encoding = 'assignment';
  readonly objectives: number;
  readonly jobs: number;
  /** The last one stands for no node. */
  readonly nodes: number;
  readonly seeds: readonly Int32Array[];
  readonly stateNumbers: number;
  readonly scores: Scores;
  readonly #batch: Batch;
  readonly #costs: Float64Array;
  readonly #shortlists: readonly Int32Array[];
  readonly #free: Float64Array;
  /** The individual at hand, as far as it is settled. */
  readonly #settled: Int32Array;
  readonly #overflow: Int32Array;

  /** `scales`: what one objective is worth in another, one number for each: their ranges among the seeds. */
  constructor(batch: Batch, table: PairTable, scores: Scores, scales: readonly number[], seeds: readonly Int32Array[]) {
    this.#batch = batch;
    this.scores = scores;
    this.objectives = batch.objectives.length;
    this.jobs = batch.tasks.length;
    this.nodes = batch.nodes.length + 1;
    this.stateNumbers = scores.stateNumbers;
    this.seeds = seeds.map((seed) => seed.map((node) => (node === NOWHERE ? batch.nodes.length : node)));
    this.#costs = combinedCosts(batch, table, scales);
    this.#shortlists = batch.tasks.map((_, task) => shortlistOf(batch, table, this.#costs, task));
    this.#free = batch.free.slice();
    this.#settled = new Int32Array(this.jobs);
    this.#overflow = new Int32Array(this.jobs);
  }

  candidates(job: number): Int32Array {
    return this.#shortlists[job] as Int32Array;
  }

  evaluate(...places: Parameters<AssignmentProblem['evaluate']>): number {
    return this.scores.evaluate(...places);
  }

  evaluateChange(change: AssignmentChange): number {
    return this.scores.evaluateChange(change);
  }

  /** What fits stays, in an order that begins anywhere; what does not goes to the best node of its shortlist, or any. */
  repair(genes: Int32Array, genesAt: number, random: RandomNumbers): void {
    const batch = this.#batch;
    const { jobs } = this;
    const free = this.#free;
    const settled = this.#settled.fill(NOWHERE);
    free.set(batch.free);
    const start = random.below(jobs);
    let overflow = 0;
    for (let step = 0; step < jobs; step += 1) {
      const task = start + step < jobs ? start + step : start + step - jobs;
      const node = genes[genesAt + task] as number;
      if (node < batch.nodes.length && this.#isOpen(task, node)) {
        settled[task] = node;
        useRoom(batch, task, free, node, -1);
      } else this.#overflow[overflow++] = task;
    }
    for (let at = 0; at < overflow; at += 1) {
      const task = this.#overflow[at] as number;
      const node = this.#bestOpen(task);
      settled[task] = node;
      genes[genesAt + task] = node === NOWHERE ? batch.nodes.length : node;
      if (node !== NOWHERE) useRoom(batch, task, free, node, -1);
    }
  }

  #isOpen(task: number, node: number): boolean {
    return (
      fitsInto(this.#batch, task, this.#free, node) &&
      suitsNode(this.#batch, task, node) &&
      !meetsReplica(this.#batch, task, node, this.#settled)
    );
  }

  #bestOpen(task: number): number {
    const width = this.#batch.nodes.length;
    let best = NOWHERE;
    let bestCost = Infinity;
    for (const node of this.#shortlists[task] as Int32Array) {
      const cost = this.#costs[task * width + node] as number;
      if (cost >= bestCost || !this.#isOpen(task, node)) continue;
      best = node;
      bestCost = cost;
    }
    if (best !== NOWHERE) return best;
    for (let node = 0; node < width; node += 1) {
      const cost = this.#costs[task * width + node] as number;
      if (cost >= bestCost || !this.#isOpen(task, node)) continue;
      best = node;
      bestCost = cost;
    }
    return best;
  }
}

/** All objectives in one, each by its scale; infinite where a node does not suit. */
function combinedCosts(batch: Batch, table: PairTable, scales: readonly number[]): Float64Array {
  const costs = table.lateness.slice();
  table.values.forEach((column, objective) => {
    const weight = 1 / (scales[objective] as number);
    for (let pair = 0; pair < costs.length; pair += 1)
      costs[pair] = (costs[pair] as number) + (column[pair] as number) * weight;
  });
  return batch.tasks.length === 0 ? new Float64Array(0) : costs;
}

/** The best nodes of a task by each objective and by all together, ascending; all that suit if they are few. */
function shortlistOf(batch: Batch, table: PairTable, costs: Float64Array, task: number): Int32Array {
  const { nodes } = batch;
  const from = task * nodes.length;
  const suiting: number[] = [];
  for (let node = 0; node < nodes.length; node += 1) if (suitsNode(batch, task, node)) suiting.push(node);
  if (suiting.length <= PLACEMENT_LIMITS.shortlist) return Int32Array.from(suiting);
  const columns = [costs, ...table.values];
  const each = Math.ceil(PLACEMENT_LIMITS.shortlist / columns.length);
  const chosen = new Set<number>();
  for (const column of columns) for (const node of leastOf(column, from, suiting, each)) chosen.add(node);
  return Int32Array.from(chosen).sort();
}

/** The `count` nodes with the least values. */
function leastOf(column: Float64Array, from: number, nodes: readonly number[], count: number): number[] {
  const best: number[] = [];
  for (const node of nodes) {
    const value = column[from + node] as number;
    if (best.length === count && value >= (column[from + (best[count - 1] as number)] as number)) continue;
    let at = best.length === count ? count - 1 : best.length;
    while (at > 0 && (column[from + (best[at - 1] as number)] as number) > value) {
      best[at] = best[at - 1] as number;
      at -= 1;
    }
    best[at] = node;
  }
  return best;
}
