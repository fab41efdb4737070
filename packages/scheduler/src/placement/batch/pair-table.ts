/**
 * What each task would contribute on each node, for every objective of a batch.
 *
 * All contributions are whole numbers of a small unit. Sums of whole numbers are exact, in whatever order they are added
 * up, so what is computed from a change is the very number that would be computed from the start; as long as a sum stays
 * below 2^53, which takes times and prices that nobody waits for or pays.
 */
import {
  completionMilliseconds,
  costMicroFog,
  failureRisk,
  latenessMilliseconds,
  wakingJoules,
  workingJoules,
} from '../estimates.ts';
import type { NodeOffer, ObjectiveName, TaskToPlace } from '../model.ts';
import { type Batch, suitsNode } from './batch.ts';

/** A probability of 1, and a slowdown of 1. */
export const RISK_UNITS = 2 ** 32;
export const SLOWDOWN_UNITS = 2 ** 20;
/** Of one joule. */
export const ENERGY_UNITS = 1000;

export interface PairTable {
  /**
   * For each pair, at `(task * nodes + node) * width`: one number for each objective, infinite where the node does not
   * suit; then milliseconds behind the deadline, beyond what no node could avoid.
   */
  values: Float64Array;
  width: number;
  /** What each node draws if anything is placed on it, in millijoules. */
  waking: Float64Array;
  /** How much the time of each task counts. */
  weights: Float64Array;
}

export function pairTableOf(batch: Batch): PairTable {
  const { tasks, nodes, objectives } = batch;
  const width = objectives.length + 1;
  const values = new Float64Array(tasks.length * nodes.length * width).fill(Infinity);
  const weights = Float64Array.from(tasks, ({ priority }) => 1 + Math.round(priority));
  for (let task = 0; task < tasks.length; task += 1) fillRow(batch, values, task, weights[task] as number);
  return { values, width, waking: wakingOf(batch), weights };
}

function fillRow(batch: Batch, values: Float64Array, index: number, weight: number): void {
  const { nodes, objectives, now } = batch;
  const task = batch.tasks[index] as TaskToPlace;
  const width = objectives.length + 1;
  const best = objectives.includes('fairness') ? leastCompletion(batch, index) : 1;
  let leastLate = Infinity;
  for (let node = 0; node < nodes.length; node += 1) {
    if (!suitsNode(batch, index, node)) continue;
    const offer = nodes[node] as NodeOffer;
    const at = (index * nodes.length + node) * width;
    for (let objective = 0; objective < objectives.length; objective += 1) {
      values[at + objective] = contribution(objectives[objective] as ObjectiveName, task, offer, weight, best);
    }
    const late = Math.round(latenessMilliseconds(task, offer, now));
    values[at + width - 1] = late;
    leastLate = Math.min(leastLate, late);
  }
  if (leastLate === 0 || leastLate === Infinity) return;
  for (let node = 0; node < nodes.length; node += 1) {
    const at = (index * nodes.length + node) * width + width - 1;
    values[at] = (values[at] as number) - leastLate;
  }
}

/** Of no objectives: for who needs to know nothing but what fits where. */
export function emptyPairTable(): PairTable {
  const none = new Float64Array(0);
  return { values: none, width: 1, waking: none, weights: none };
}

function contribution(name: ObjectiveName, task: TaskToPlace, node: NodeOffer, weight: number, best: number): number {
  switch (name) {
    case 'completionTime':
      return weight * Math.round(completionMilliseconds(task, node));
    case 'cost':
      return Math.round(costMicroFog(task, node));
    case 'energy':
      return Math.round(workingJoules(task, node) * ENERGY_UNITS);
    case 'failureRisk':
      return Math.round(failureRisk(task, node) * RISK_UNITS);
    case 'fairness':
      return Math.round((best === 0 ? 1 : completionMilliseconds(task, node) / best) * SLOWDOWN_UNITS);
  }
}

/** On the nodes that suit it, whatever is free: what the slowdown of a task is measured by. */
function leastCompletion(batch: Batch, task: number): number {
  let least = Infinity;
  for (let node = 0; node < batch.nodes.length; node += 1) {
    if (!suitsNode(batch, task, node)) continue;
    least = Math.min(least, completionMilliseconds(batch.tasks[task] as TaskToPlace, batch.nodes[node] as NodeOffer));
  }
  return least;
}

/** A node that is woken is taken to be on for as long as a task of the batch runs on average. */
function wakingOf({ tasks, nodes }: Batch): Float64Array {
  const total = tasks.reduce((sum, { expectedRunMilliseconds }) => sum + expectedRunMilliseconds, 0);
  const mean = total / Math.max(1, tasks.length);
  return Float64Array.from(nodes, (node) => Math.round(wakingJoules(node, mean) * ENERGY_UNITS));
}
