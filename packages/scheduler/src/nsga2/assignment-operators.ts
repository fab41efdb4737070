/**
 * Variation of assignments: gene number `job` is the node that the job is on.
 *
 * Crossover passes whole nodes on, with all the jobs that a parent has there, so that what belongs together stays
 * together. Mutation moves single jobs, swaps two, or clears a node.
 */
import type { RandomNumbers } from '../random-numbers.ts';
import { gap } from './real-operators.ts';

/** Which nodes a job may be on. */
export interface Candidates {
  /** Another node than `except`, each as likely as the others; `except` itself where there is no other. */
  draw(job: number, except: number, random: RandomNumbers): number;
  has(job: number, node: number): boolean;
}

/**
 * Each node of the first parent is passed on to the first child with a probability of one half, and with it all its jobs;
 * the other jobs stay where the second parent has them. The second child is the opposite. `coins` has a bit for each node.
 */
export function groupCrossover(
  genes: Int32Array,
  jobs: number,
  [first, second, firstChild, secondChild]: readonly [number, number, number, number],
  coins: Int32Array,
  random: RandomNumbers,
): void {
  for (let word = 0; word < coins.length; word += 1) coins[word] = random.uint32();
  for (let job = 0; job < jobs; job += 1) {
    const left = genes[first + job] as number;
    const right = genes[second + job] as number;
    const isPassedOn = (((coins[left >>> 5] as number) >>> (left & 31)) & 1) === 1;
    genes[firstChild + job] = isPassedOn ? left : right;
    genes[secondChild + job] = isPassedOn ? right : left;
  }
}

/** Moves each job with the given probability, and one at least. */
export function moveJobs(
  genes: Int32Array,
  at: number,
  jobs: number,
  probability: number,
  candidates: Candidates,
  random: RandomNumbers,
): void {
  let job = gap(probability, random);
  if (job >= jobs) job = random.below(jobs);
  for (; job < jobs; job += 1 + gap(probability, random)) {
    genes[at + job] = candidates.draw(job, genes[at + job] as number, random);
  }
}

/** Lets two jobs change places, if each may be where the other is. */
export function swapJobs(
  genes: Int32Array,
  at: number,
  jobs: number,
  candidates: Candidates,
  random: RandomNumbers,
): void {
  const left = random.below(jobs);
  const right = random.below(jobs);
  const leftNode = genes[at + left] as number;
  const rightNode = genes[at + right] as number;
  if (leftNode === rightNode || !candidates.has(left, rightNode) || !candidates.has(right, leftNode)) return;
  genes[at + left] = rightNode;
  genes[at + right] = leftNode;
}

/**
 * Clears the node of a job that is drawn. With a probability of one half its jobs go to one other node together, as far
 * as they may be there; else, each goes where its own draw says.
 */
export function evictNode(
  genes: Int32Array,
  at: number,
  jobs: number,
  candidates: Candidates,
  random: RandomNumbers,
): void {
  const drawn = random.below(jobs);
  const node = genes[at + drawn] as number;
  const isTogether = (random.uint32() & 1) === 1;
  const target = candidates.draw(drawn, node, random);
  for (let job = 0; job < jobs; job += 1) {
    if (genes[at + job] !== node) continue;
    const follows = isTogether && candidates.has(job, target);
    genes[at + job] = follows ? target : candidates.draw(job, node, random);
  }
}

/** Every job may be on every node. */
export function everyNode(nodes: number): Candidates {
  return {
    draw(_job, except, random) {
      if (nodes === 1) return 0;
      const drawn = random.below(except < 0 ? nodes : nodes - 1);
      return except >= 0 && drawn >= except ? drawn + 1 : drawn;
    },
    has: () => true,
  };
}

/** A job may be on the nodes of its own list, ascending and not empty. */
export function listedNodes(lists: readonly Int32Array[]): Candidates {
  return {
    draw(job, except, random) {
      const list = lists[job] as Int32Array;
      const at = placeOf(list, except);
      const isListed = list[at] === except;
      if (isListed && list.length === 1) return except;
      const drawn = random.below(isListed ? list.length - 1 : list.length);
      return list[isListed && drawn >= at ? drawn + 1 : drawn] as number;
    },
    has(job, node) {
      const list = lists[job] as Int32Array;
      return list[placeOf(list, node)] === node;
    },
  };
}

/** Of the first entry that is not below `node`. */
function placeOf(list: Int32Array, node: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle] as number) < node) low = middle + 1;
    else high = middle;
  }
  return low;
}
