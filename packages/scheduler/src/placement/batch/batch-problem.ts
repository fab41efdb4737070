/**
 * The batch as the optimiser sees it. Each individual that it evaluates has been mended before, so that no node ever holds
 * more than it can and no replicas meet: a task that finds no room is left, which is a violation that weighs.
 */
import type { AssignmentChange, AssignmentProblem } from '../../nsga2/index.ts';
import type { RandomNumbers } from '../../random-numbers.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import type { Archive } from './archive.ts';
import { type Batch, fitsInto, meetsReplica, NOWHERE, suitsNode, useRoom } from './batch.ts';
import type { PairTable } from './pair-table.ts';
import type { Scores } from './scores.ts';

export class BatchProblem implements AssignmentProblem {
  readonly encoding = 'assignment';
  readonly objectives: number;
  readonly jobs: number;
  /** The last one stands for no node. */
  readonly nodes: number;
  /** What the next episode begins with. */
  seeds: readonly Int32Array[];
  readonly stateNumbers: number;
  readonly scores: Scores;
  readonly #batch: Batch;
  readonly #archive: Archive;
  readonly #costs: Float64Array;
  readonly #shortlists: readonly Int32Array[];
  readonly #free: Float64Array;
  /** The individual at hand, as far as it is settled. */
  readonly #settled: Int32Array;
  readonly #overflow: Int32Array;

  /** `scales`: what one objective is worth in another, one number for each: their ranges among the seeds. */
  constructor(batch: Batch, table: PairTable, scores: Scores, scales: readonly number[], archive: Archive) {
    this.#batch = batch;
    this.scores = scores;
    this.objectives = batch.objectives.length;
    this.jobs = batch.tasks.length;
    this.nodes = batch.nodes.length + 1;
    this.stateNumbers = scores.stateNumbers;
    this.seeds = [];
    this.#archive = archive;
    this.#costs = combinedCosts(batch, table, scales);
    this.#shortlists = batch.tasks.map((_, task) => shortlistOf(batch, table, this.#costs, task));
    this.#free = batch.free.slice();
    this.#settled = new Int32Array(this.jobs);
    this.#overflow = new Int32Array(this.jobs);
  }

  candidates(job: number): Int32Array {
    return this.#shortlists[job] as Int32Array;
  }

  evaluate(
    genes: Int32Array,
    genesAt: number,
    objectives: Float64Array,
    objectivesAt: number,
    state: Float64Array,
    stateAt: number,
  ): number {
    const violation = this.scores.evaluate(genes, genesAt, objectives, objectivesAt, state, stateAt);
    this.#archive.offer(objectives, objectivesAt, violation, genes, genesAt, this.jobs);
    return violation;
  }

  evaluateChange(change: AssignmentChange): number {
    const violation = this.scores.evaluateChange(change);
    this.#archive.offer(change.objectives, change.objectivesAt, violation, change.genes, change.genesAt, this.jobs);
    return violation;
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
function combinedCosts(batch: Batch, { values, width }: PairTable, scales: readonly number[]): Float64Array {
  const weights = [...scales.map((scale) => 1 / scale), 1];
  return Float64Array.from({ length: batch.tasks.length * batch.nodes.length }, (_, pair) =>
    weights.reduce((sum, weight, column) => sum + weight * (values[pair * width + column] as number), 0),
  );
}

/** The best nodes of a task by each objective and by all together, ascending; all that suit if they are few. */
function shortlistOf(batch: Batch, { values, width }: PairTable, costs: Float64Array, task: number): Int32Array {
  const { nodes } = batch;
  const from = task * nodes.length;
  const suiting: number[] = [];
  for (let node = 0; node < nodes.length; node += 1) if (suitsNode(batch, task, node)) suiting.push(node);
  if (suiting.length <= PLACEMENT_LIMITS.shortlist) return Int32Array.from(suiting);
  const each = Math.ceil(PLACEMENT_LIMITS.shortlist / width);
  const chosen = new Set(leastOf((node) => costs[from + node] as number, suiting, each));
  for (let objective = 0; objective < width - 1; objective += 1) {
    const valueOn = (node: number) => values[(from + node) * width + objective] as number;
    for (const node of leastOf(valueOn, suiting, each)) chosen.add(node);
  }
  return Int32Array.from(chosen).sort();
}

/** The `count` nodes with the least values. */
function leastOf(valueOn: (node: number) => number, nodes: readonly number[], count: number): number[] {
  const best: number[] = [];
  const least: number[] = [];
  for (const node of nodes) {
    const value = valueOn(node);
    if (best.length === count && value >= (least[count - 1] as number)) continue;
    let at = best.length === count ? count - 1 : best.length;
    while (at > 0 && (least[at - 1] as number) > value) {
      best[at] = best[at - 1] as number;
      least[at] = least[at - 1] as number;
      at -= 1;
    }
    best[at] = node;
    least[at] = value;
  }
  return best;
}
