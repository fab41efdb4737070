/**
 * How a single task finds its node quickly. Whatever the strategy, the node suits the task and has room for it; they
 * differ in what they look for among those nodes.
 */
import type { RandomNumbers } from '../../random-numbers.ts';
import { missingBytes, transferMilliseconds } from '../estimates.ts';
import { type NodeOffer, privacyRank, type TaskToPlace } from '../model.ts';
import { estimateLoad } from './load.ts';
import type { Mask, NodeTree } from './node-tree.ts';

export const ROUTER_STRATEGIES = [
  /** The node of which least is taken. */
  'least-loaded',
  /** Nodes that have most of the inputs; else always the same node for the same affinity key, as long as it has room. */
  'affinity',
  /** The node on which the task could start soonest: latency, and transfer of what it does not have. */
  'proximity',
  /** The lowest sufficient level, so that nodes of higher levels are left to tasks that need them; then most reputation. */
  'privacy-aware',
  /** The less loaded of two nodes that are drawn. */
  'power-of-two-choices',
  'round-robin',
] as const;
export type RouterStrategyName = (typeof ROUTER_STRATEGIES)[number];

export interface Question {
  task: TaskToPlace;
  tree: NodeTree;
  mask: Mask;
  /** What has to hold besides mask and room. */
  isWanted: (node: NodeOffer, index: number) => boolean;
  /** Index of a node by its id; undefined for one that is not known. */
  indexOf: (id: string) => number | undefined;
  random: RandomNumbers;
}

export interface RouterStrategy {
  readonly name: RouterStrategyName;
  /** Index of a node that suits, has room and is wanted; -1 if there is none. */
  choose(question: Question): number;
}

export function routerStrategy(name: RouterStrategyName): RouterStrategy {
  switch (name) {
    case 'least-loaded':
      return { name, choose: leastLoaded };
    case 'affinity':
      return { name, choose: byAffinity };
    case 'proximity':
      return { name, choose: nearest };
    case 'privacy-aware':
      return { name, choose: byPrivacy };
    case 'power-of-two-choices':
      return { name, choose: betterOfTwo };
    case 'round-robin':
      return roundRobin();
  }
}

function leastLoaded({ task, tree, mask, isWanted }: Question): number {
  const { leastLoad } = tree.bounds;
  return tree.least(
    task.needs,
    mask,
    (place) => leastLoad[place] as number,
    (node, index) => (isWanted(node, index) ? (leastLoad[tree.leaves + index] as number) : Infinity),
  );
}

function nearest(question: Question): number {
  const { task, tree, mask, isWanted } = question;
  const { leastLatencyMilliseconds, mostBitsPerSecond } = tree.bounds;
  const startOf = (node: NodeOffer) =>
    node.latencyMilliseconds + transferMilliseconds(missingBytes(task, node.id), node.downloadBitsPerSecond);
  const total = task.inputs.reduce((sum, { bytes }) => sum + bytes, 0);
  // Nodes that have some of the data are few, and compared one by one; for all others the whole of it is missing.
  const holders = holdersOf(question);
  let best = -1;
  let bestStart = Infinity;
  for (const index of holders) {
    const node = tree.node(index) as NodeOffer;
    if (startOf(node) >= bestStart) continue;
    bestStart = startOf(node);
    best = index;
  }
  const other = tree.least(
    task.needs,
    mask,
    (place) => {
      const bound =
        (leastLatencyMilliseconds[place] as number) + transferMilliseconds(total, mostBitsPerSecond[place] as number);
      return bound >= bestStart ? Infinity : bound;
    },
    (node, index) => (!holders.includes(index) && isWanted(node, index) ? startOf(node) : Infinity),
  );
  return other >= 0 && startOf(tree.node(other) as NodeOffer) < bestStart ? other : best;
}

function byAffinity(question: Question): number {
  const { task, tree, mask, isWanted } = question;
  let best = -1;
  let leastMissing = Infinity;
  for (const index of holdersOf(question)) {
    const missing = missingBytes(task, (tree.node(index) as NodeOffer).id);
    if (missing >= leastMissing) continue;
    leastMissing = missing;
    best = index;
  }
  if (best >= 0) return best;
  if (task.affinity === null) return leastLoaded(question);
  return tree.next(task.needs, mask, hashOf(task.affinity.key) % Math.max(1, tree.count), isWanted);
}

function byPrivacy({ task, tree, mask, isWanted }: Question): number {
  const { leastPrivacy, mostReputation } = tree.bounds;
  const needed = privacyRank(task.privacyLevel);
  return tree.least(
    task.needs,
    mask,
    // Whole numbers for the level; reputation decides between nodes of one.
    (place) => Math.max(needed, leastPrivacy[place] as number) + (1 - (mostReputation[place] as number)) / 2,
    (node, index) => (isWanted(node, index) ? privacyRank(node.privacyLevel) + (1 - node.reputation) / 2 : Infinity),
  );
}

function betterOfTwo({ task, tree, mask, isWanted, random }: Question): number {
  const first = tree.next(task.needs, mask, random.below(tree.count), isWanted);
  if (first < 0) return -1;
  const second = tree.next(task.needs, mask, random.below(tree.count), isWanted);
  const loadOf = (index: number) => estimateLoad(tree.node(index) as NodeOffer, tree.names);
  return loadOf(second) < loadOf(first) ? second : first;
}

function roundRobin(): RouterStrategy {
  let cursor = 0;
  return {
    name: 'round-robin',
    choose({ task, tree, mask, isWanted }) {
      const index = tree.next(task.needs, mask, cursor % tree.count, isWanted);
      if (index >= 0) cursor = index + 1;
      return index;
    },
  };
}

/** Nodes that have some of the inputs, suit, have room and are wanted; each once. */
function holdersOf({ task, tree, mask, isWanted, indexOf }: Question): number[] {
  if (task.inputs.length === 0) return [];
  const holders = new Set<number>();
  for (const { nodes } of task.inputs) {
    for (const id of nodes) {
      const index = indexOf(id);
      if (index === undefined || holders.has(index)) continue;
      const node = tree.node(index);
      if (node !== null && tree.has(index, task.needs, mask) && isWanted(node, index)) holders.add(index);
    }
  }
  return [...holders];
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
