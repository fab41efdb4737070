/**
 * An index of nodes by what they have free. A binary tree over the nodes: each inner place knows the most that any node
 * below it has free of each resource, and the least and greatest of what strategies look for. Whole parts of the tree in
 * which nothing fits, or nothing is better than what was found, are passed over, so that a question costs a few dozen
 * steps where a scan costs as many as there are nodes.
 *
 * Place 1 is the root; the children of `p` are `2p` and `2p + 1`; node `i` is at place `leaves + i`.
 */

import { transferMilliseconds } from '../estimates.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import { amountOf, type NodeOffer, privacyRank, type Resources } from '../model.ts';
import { estimateLoad } from './load.ts';

/** Of the nodes below a place. An unused place is worse than all others. */
export interface PlaceBounds {
  /** 0 for an empty node, 1 for one of whose scarcest resource nothing is left. */
  readonly leastLoad: Float64Array;
  /** The same, a node of less reputation counting as fuller. */
  readonly leastDoubtedLoad: Float64Array;
  /** Time to the start with so many missing bytes, one array for each of `START_BYTES`. */
  readonly leastStartMilliseconds: readonly Float64Array[];
  readonly leastPrivacy: Float64Array;
  readonly mostReputation: Float64Array;
}

/** Ascending; between two of them a straight line is below the least time of all nodes, which is concave. */
export const START_BYTES = [0, 2 ** 20, 2 ** 24, 2 ** 28, 2 ** 34] as const;

/** Until a task can start of whose inputs so many bytes are missing. */
export function startOf(node: NodeOffer, bytes: number): number {
  return node.latencyMilliseconds + transferMilliseconds(bytes, node.downloadBitsPerSecond);
}

/** Nodes that suit one kind of task: for each place, 1 if one is below it. */
export type Mask = Uint8Array;

export class NodeTree {
  readonly names: readonly string[];
  readonly leaves: number;
  readonly bounds: PlaceBounds;
  /** Most that is free below each place: as many numbers as there are names. */
  readonly #mostFree: Float64Array;
  /** Of the bounds, those that change with what is free, and the others. */
  readonly #leastOfRoom: readonly Float64Array[];
  readonly #leastOfNode: readonly Float64Array[];
  readonly #nodes: (NodeOffer | null)[];
  readonly #need: Float64Array;
  readonly #stack: Int32Array;
  readonly #stackBounds: Float64Array;

  constructor(nodes: readonly NodeOffer[], names: readonly string[]) {
    this.names = names;
    this.leaves = 2 ** Math.ceil(Math.log2(Math.max(1, nodes.length)));
    const places = 2 * this.leaves;
    this.#mostFree = new Float64Array(places * names.length).fill(-1);
    this.bounds = {
      leastLoad: new Float64Array(places).fill(Infinity),
      leastDoubtedLoad: new Float64Array(places).fill(Infinity),
      leastStartMilliseconds: START_BYTES.map(() => new Float64Array(places).fill(Infinity)),
      leastPrivacy: new Float64Array(places).fill(Infinity),
      mostReputation: new Float64Array(places).fill(-1),
    };
    this.#leastOfRoom = [this.bounds.leastLoad, this.bounds.leastDoubtedLoad];
    this.#leastOfNode = [this.bounds.leastPrivacy, ...this.bounds.leastStartMilliseconds];
    this.#nodes = nodes.map(() => null);
    this.#need = new Float64Array(names.length);
    this.#stack = new Int32Array(2 * Math.ceil(Math.log2(places)) + 2);
    this.#stackBounds = new Float64Array(this.#stack.length);
    nodes.forEach((node, index) => {
      this.#writeLeaf(index, node);
    });
    for (let place = this.leaves - 1; place >= 1; place -= 1) this.#gather(place);
  }

  get count(): number {
    return this.#nodes.length;
  }

  /** The node as it is now; null if it is gone. */
  node(index: number): NodeOffer | null {
    return this.#nodes[index] ?? null;
  }

  /** Another state of a node; null: it is gone. O(log nodes). */
  set(index: number, node: NodeOffer | null): void {
    this.#writeLeaf(index, node);
    for (let place = (this.leaves + index) >> 1; place >= 1; place >>= 1) this.#gather(place);
  }

  /** The same node with other room. Of what it is otherwise nothing has changed. */
  setFree(index: number, free: Resources, takesWork: boolean): void {
    const before = this.#nodes[index];
    if (before == null) return;
    const node = { ...before, free, takesWork };
    if (takesWork !== before.takesWork) return this.set(index, node);
    this.#nodes[index] = node;
    if (!takesWork) return;
    this.#writeRoom(this.leaves + index, node);
    for (let place = (this.leaves + index) >> 1; place >= 1; place >>= 1) if (!this.#gatherRoom(place)) return;
  }

  /** Takes one node more in, and returns its index; -1 if the tree is full, and has to be made anew. O(log nodes). */
  add(node: NodeOffer): number {
    if (this.count >= this.leaves) return -1;
    const index = this.#nodes.push(null) - 1;
    this.set(index, node);
    return index;
  }

  /** A new mask of the nodes that suit. O(nodes). */
  mask(suits: (node: NodeOffer) => boolean): Mask {
    const mask = new Uint8Array(2 * this.leaves);
    this.#nodes.forEach((node, index) => {
      if (node !== null && suits(node)) mask[this.leaves + index] = 1;
    });
    for (let place = this.leaves - 1; place >= 1; place -= 1) gatherMask(mask, place);
    return mask;
  }

  /** Brings a mask up to date with one node. O(log nodes). */
  updateMask(mask: Mask, index: number, suits: boolean): void {
    mask[this.leaves + index] = suits ? 1 : 0;
    for (let place = (this.leaves + index) >> 1; place >= 1; place >>= 1) gatherMask(mask, place);
  }

  /**
   * The node with the least key among those that suit and have room for `needs`, or -1. `boundOf` a place is not above the
   * key of any node below it. `keyOf` is infinite for a node that is not wanted.
   */
  least(
    needs: Resources,
    mask: Mask,
    boundOf: (place: number) => number,
    keyOf: (node: NodeOffer, index: number) => number,
  ): number {
    if (!this.#setNeed(needs) || !this.#mayHold(1, mask)) return -1;
    const stack = this.#stack;
    const stackBounds = this.#stackBounds;
    stack[0] = 1;
    stackBounds[0] = boundOf(1);
    let depth = 1;
    let best = -1;
    let bestKey = Infinity;
    while (depth > 0) {
      depth -= 1;
      if ((stackBounds[depth] as number) >= bestKey) continue;
      const place = stack[depth] as number;
      if (place >= this.leaves) {
        const index = place - this.leaves;
        const key = keyOf(this.#nodes[index] as NodeOffer, index);
        if (key < bestKey) {
          bestKey = key;
          best = index;
        }
        continue;
      }
      const left = 2 * place;
      const leftBound = this.#mayHold(left, mask) ? boundOf(left) : Infinity;
      const rightBound = this.#mayHold(left + 1, mask) ? boundOf(left + 1) : Infinity;
      // The more promising one is looked at first, and so is put on the stack last.
      const isRightFirst = rightBound < leftBound;
      stack[depth] = isRightFirst ? left : left + 1;
      stackBounds[depth] = isRightFirst ? leftBound : rightBound;
      stack[depth + 1] = isRightFirst ? left + 1 : left;
      stackBounds[depth + 1] = isRightFirst ? rightBound : leftBound;
      depth += 2;
    }
    return best;
  }

  /** The first node from `from` on, in a circle, that suits, has room and `isWanted`; -1 if there is none. */
  next(needs: Resources, mask: Mask, from: number, isWanted: (node: NodeOffer, index: number) => boolean): number {
    if (!this.#setNeed(needs) || !this.#mayHold(1, mask)) return -1;
    const found = this.#firstBetween(mask, from, this.count, isWanted);
    return found >= 0 ? found : this.#firstBetween(mask, 0, from, isWanted);
  }

  /** Whether this node suits and has room for `needs`. */
  has(index: number, needs: Resources, mask: Mask): boolean {
    return this.#setNeed(needs) && this.#mayHold(this.leaves + index, mask);
  }

  #firstBetween(mask: Mask, from: number, to: number, isWanted: (node: NodeOffer, index: number) => boolean): number {
    let place = this.leaves + from;
    while (place !== 0) {
      if (!this.#mayHold(place, mask)) {
        place = placeAfter(place);
      } else if (place < this.leaves) {
        place *= 2;
      } else {
        const index = place - this.leaves;
        if (index >= to) return -1;
        if (isWanted(this.#nodes[index] as NodeOffer, index)) return index;
        place = placeAfter(place);
      }
    }
    return -1;
  }

  /** False if no node has such a resource at all. */
  #setNeed(needs: Resources): boolean {
    for (let at = 0; at < this.names.length; at += 1) this.#need[at] = amountOf(needs, this.names[at] as string);
    for (const name in needs.others) {
      if ((needs.others[name] as number) > 0 && !this.names.includes(name)) return false;
    }
    return true;
  }

  #mayHold(place: number, mask: Mask): boolean {
    if (mask[place] === 0) return false;
    const width = this.names.length;
    const from = place * width;
    for (let at = 0; at < width; at += 1) {
      if ((this.#mostFree[from + at] as number) < (this.#need[at] as number)) return false;
    }
    return true;
  }

  #writeLeaf(index: number, node: NodeOffer | null): void {
    const place = this.leaves + index;
    const isOpen = node?.takesWork === true;
    this.#nodes[index] = node;
    if (isOpen) this.#writeRoom(place, node);
    else {
      this.#mostFree.fill(-1, place * this.names.length, (place + 1) * this.names.length);
      for (const least of this.#leastOfRoom) least[place] = Infinity;
    }
    const { bounds } = this;
    START_BYTES.forEach((bytes, at) => {
      (bounds.leastStartMilliseconds[at] as Float64Array)[place] = isOpen ? startOf(node, bytes) : Infinity;
    });
    bounds.leastPrivacy[place] = isOpen ? privacyRank(node.privacyLevel) : Infinity;
    bounds.mostReputation[place] = isOpen ? node.reputation : -1;
  }

  #writeRoom(place: number, node: NodeOffer): void {
    const { names, bounds } = this;
    const from = place * names.length;
    for (let at = 0; at < names.length; at += 1) {
      const name = names[at] as string;
      // Never more than its capacity: so what fits into what is free is not too large for the node either.
      this.#mostFree[from + at] = Math.min(amountOf(node.free, name), amountOf(node.capacity, name));
    }
    const load = estimateLoad(node, names);
    bounds.leastLoad[place] = load;
    bounds.leastDoubtedLoad[place] = load + PLACEMENT_LIMITS.doubtLoad * (1 - node.reputation);
  }

  #gather(place: number): void {
    this.#gatherRoom(place);
    for (const least of this.#leastOfNode) gatherLeast(least, place);
    const { mostReputation } = this.bounds;
    mostReputation[place] = Math.max(mostReputation[2 * place] as number, mostReputation[2 * place + 1] as number);
  }

  /** False if nothing has changed. */
  #gatherRoom(place: number): boolean {
    const width = this.names.length;
    const free = this.#mostFree;
    const left = 2 * place * width;
    let isChanged = false;
    for (let at = 0; at < width; at += 1) {
      const most = Math.max(free[left + at] as number, free[left + width + at] as number);
      isChanged ||= most !== free[place * width + at];
      free[place * width + at] = most;
    }
    for (const least of this.#leastOfRoom) if (gatherLeast(least, place)) isChanged = true;
    return isChanged;
  }
}

/** False if nothing has changed. */
function gatherLeast(least: Float64Array, place: number): boolean {
  const lower = Math.min(least[2 * place] as number, least[2 * place + 1] as number);
  const isChanged = lower !== least[place];
  least[place] = lower;
  return isChanged;
}

/** The highest place to the right of all that is below this one; 0 if there is none. */
function placeAfter(place: number): number {
  let at = place;
  while ((at & 1) === 1) at >>= 1;
  return at === 0 ? 0 : at + 1;
}

function gatherMask(mask: Mask, place: number): void {
  mask[place] = (mask[2 * place] as number) | (mask[2 * place + 1] as number);
}
