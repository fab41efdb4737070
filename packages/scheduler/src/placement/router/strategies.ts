/**
 * How a single task finds its node quickly. Whatever the strategy, the node suits the task and has room for it; they
 * differ in what they look for among those nodes.
 */
import type { RouterStrategyName } from '@fog/contract';
import type { RandomNumbers } from '../../random-numbers.ts';
import { missingBytes } from '../estimates.ts';
import { type NodeOffer, privacyRank, type TaskToPlace } from '../model.ts';
import { estimateLoad } from './load.ts';
import { type Mask, type NodeTree, START_BYTES, startOf } from './node-tree.ts';

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
  /**
   * In which order nodes are best put into the tree: those that it looks for side by side, so that the parts of the tree in
   * which they are full are passed over. Missing: any.
   */
  readonly order?: (left: NodeOffer, right: NodeOffer) => number;
  /** Index of a node that suits, has room and is wanted; -1 if there is none. */
  choose(question: Question): number;
}

export function routerStrategy(name: RouterStrategyName): RouterStrategy {
  switch (name) {
    case 'balanced':
      return balanced();
    case 'least-loaded':
      return { name, choose: leastLoaded };
    case 'affinity':
      return { name, choose: byAffinity };
    case 'proximity':
      return { name, choose: nearest, order: (left, right) => nearnessKey(left) - nearnessKey(right) };
    case 'privacy-aware':
      return { name, choose: byPrivacy, order: (left, right) => privacyKey(left) - privacyKey(right) };
    case 'power-of-two-choices':
      return { name, choose: betterOfTwo };
    case 'round-robin':
      return roundRobin();
  }
}

/**
 * The least loaded node, one of less reputation counting as fuller; between equal ones in turn, so that none gets all of
 * the work while there is little. Of the many that may be equal, the next few are looked at.
 */
function balanced(): RouterStrategy {
  let cursor = 0;
  return {
    name: 'balanced',
    choose({ task, tree, mask, isWanted }) {
      const { leastDoubtedLoad } = tree.bounds;
      const keyAt = (place: number) => leastDoubtedLoad[place] as number;
      const best = tree.least(task.needs, mask, keyAt, (node, index) =>
        isWanted(node, index) ? keyAt(tree.leaves + index) : Infinity,
      );
      if (best < 0) return -1;
      const least = keyAt(tree.leaves + best);
      let looks = 0;
      const equal = tree.next(task.needs, mask, cursor % tree.count, (node, index) => {
        looks += 1;
        return looks > BALANCED_LOOKS || (keyAt(tree.leaves + index) <= least && isWanted(node, index));
      });
      const chosen = equal >= 0 && looks <= BALANCED_LOOKS ? equal : best;
      cursor = chosen + 1;
      return chosen;
    },
  };
}

/** Nodes that are looked at for one that is as good as the best: it costs a fraction of the search for the best. */
const BALANCED_LOOKS = 16;

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
  const total = task.inputs.reduce((sum, { bytes }) => sum + bytes, 0);
  const startOn = (node: NodeOffer) => startOf(node, missingBytes(task, node.id));
  // Nodes that have some of the data are few, and compared one by one; for all others the whole of it is missing.
  const holders = holdersOf(question);
  let best = -1;
  let bestStart = Infinity;
  for (const index of holders) {
    const start = startOn(tree.node(index) as NodeOffer);
    if (start >= bestStart) continue;
    bestStart = start;
    best = index;
  }
  const boundOf = startBound(tree, total);
  const other = tree.least(
    task.needs,
    mask,
    (place) => {
      const bound = boundOf(place);
      return bound >= bestStart ? Infinity : bound;
    },
    (node, index) => (!holders.includes(index) && isWanted(node, index) ? startOf(node, total) : Infinity),
  );
  return other >= 0 && startOf(tree.node(other) as NodeOffer, total) < bestStart ? other : best;
}

/** Below the time to the start of every node below a place, if so many bytes are missing. */
function startBound({ bounds }: NodeTree, bytes: number): (place: number) => number {
  const after = START_BYTES.findIndex((size) => size >= bytes);
  const upper = after < 0 ? START_BYTES.length - 1 : Math.max(1, after);
  const [from, to] = [START_BYTES[upper - 1] as number, START_BYTES[upper] as number];
  // With more than the largest it takes at least as long as with that.
  const share = Math.min(1, (bytes - from) / (to - from));
  const low = bounds.leastStartMilliseconds[upper - 1] as Float64Array;
  const high = bounds.leastStartMilliseconds[upper] as Float64Array;
  return (place) => {
    const least = low[place] as number;
    // Rounding must not lift a bound above the time of a node.
    return least === Infinity ? Infinity : (least + share * ((high[place] as number) - least)) * (1 - 1e-12);
  };
}

/**
 * Nodes alike in latency and rate get keys that are near each other: the bits of both take turns. Tasks without inputs
 * look for latency alone, those with large ones mostly for the rate.
 */
function nearnessKey({ latencyMilliseconds, downloadBitsPerSecond }: NodeOffer): number {
  const latency = Math.min(255, Math.floor(16 * Math.log2(1 + latencyMilliseconds)));
  const slowness = 255 - Math.min(255, Math.floor(6 * Math.log2(downloadBitsPerSecond)));
  let key = 0;
  for (let bit = 7; bit >= 0; bit -= 1) key = 4 * key + 2 * ((slowness >> bit) & 1) + ((latency >> bit) & 1);
  return key;
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
    (node, index) => (isWanted(node, index) ? privacyKey(node) : Infinity),
  );
}

function privacyKey(node: NodeOffer): number {
  return privacyRank(node.privacyLevel) + (1 - node.reputation) / 2;
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
