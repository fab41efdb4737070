/**
 * Nodes by what they have free, for one question at a time: which node takes this task? Thousands of answers a second.
 *
 * It remembers which nodes suit a kind of task, and no tasks: who asks says what is taken and given back.
 */
import type { RouterStrategyName } from '@fog/contract';
import { RandomNumbers } from '../../random-numbers.ts';
import { assertAmount, checkNode, checkNodes } from '../checked-model.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import { changedResources, type NodeOffer, type Resources, resourceNames, type TaskToPlace } from '../model.ts';
import { type Mask, NodeTree } from './node-tree.ts';
import { type RouterStrategy, routerStrategy } from './strategies.ts';

export interface PlaceQuestion {
  task: TaskToPlace;
  strategy: RouterStrategyName;
  /** Of all questions with one kind, `suits` says the same of a node that has not changed. */
  kind: string;
  /** What lasts: needs that the node can meet when it is empty, and the like. */
  suits: (node: NodeOffer) => boolean;
  /** What has to hold besides at this moment. */
  isWanted: (node: NodeOffer) => boolean;
}

interface KindMask {
  suits: (node: NodeOffer) => boolean;
  mask: Mask;
  /** Nodes that suit. */
  count: number;
}

type NodeOrder = (left: NodeOffer, right: NodeOffer) => number;

export class PlaceIndex {
  readonly #random: RandomNumbers;
  readonly #order: NodeOrder | undefined;
  readonly #strategies = new Map<RouterStrategyName, RouterStrategy>();
  /** By kind; the one used longest ago comes first. */
  readonly #masks = new Map<string, KindMask>();
  #tree: NodeTree;
  #indices: Map<string, number>;

  /**
   * The same seed and the same calls give the same places. `order`: see `RouterStrategy`, where one strategy asks most.
   * Throws `invalid-request` for nodes that make no sense.
   */
  constructor(nodes: readonly NodeOffer[], { seed, order }: { seed: number; order?: NodeOrder | undefined }) {
    checkNodes(nodes);
    this.#random = new RandomNumbers(seed);
    this.#order = order;
    const ordered = order === undefined ? nodes : nodes.toSorted(order);
    this.#tree = treeOf(ordered);
    this.#indices = new Map(ordered.map(({ id }, index) => [id, index]));
  }

  get size(): number {
    return this.#indices.size;
  }

  node(id: string): NodeOffer | undefined {
    const index = this.#indices.get(id);
    return index === undefined ? undefined : (this.#tree.node(index) ?? undefined);
  }

  nodes(): NodeOffer[] {
    return [...this.#indices.values()].flatMap((index) => this.#tree.node(index) ?? []);
  }

  /** A node that suits, is wanted and has room; null if there is none. Takes nothing. */
  choose(question: PlaceQuestion): NodeOffer | null {
    if (this.#indices.size === 0) return null;
    const { task } = question;
    const { mask } = this.#kindOf(question);
    const isWanted = (node: NodeOffer) => question.isWanted(node);
    let index: number;
    if (task.onlyNode === null) {
      const indexOf = (id: string) => this.#indices.get(id);
      const tree = this.#tree;
      index = this.#strategyOf(question.strategy).choose({ task, tree, mask, isWanted, indexOf, random: this.#random });
    } else {
      const only = this.#indices.get(task.onlyNode);
      const node = only === undefined ? null : this.#tree.node(only);
      const isFit = only !== undefined && node !== null && this.#tree.has(only, task.needs, mask) && isWanted(node);
      index = isFit ? only : -1;
    }
    return index < 0 ? null : this.#tree.node(index);
  }

  /** How many nodes suit, whether they have room or not. */
  suitable(question: Pick<PlaceQuestion, 'kind' | 'suits'>): number {
    return this.#kindOf(question).count;
  }

  /** Up to `most` nodes that suit, are wanted and have room, from the `from`-th on in a circle. Takes nothing. */
  ready(question: PlaceQuestion, most: number, from: number): NodeOffer[] {
    const found: NodeOffer[] = [];
    if (this.#indices.size === 0 || most === 0) return found;
    this.#tree.next(question.task.needs, this.#kindOf(question).mask, from % this.#tree.count, (node) => {
      if (question.isWanted(node)) found.push(node);
      return found.length === most;
    });
    return found;
  }

  /** Room of a node is taken, `sign` -1, or given back, `sign` 1. O(log nodes). */
  change(id: string, needs: Resources, sign: 1 | -1): void {
    const index = this.#indices.get(id);
    const node = index === undefined ? null : this.#tree.node(index);
    if (index === undefined || node === null) return;
    this.#tree.setFree(index, changedResources(node.free, needs, sign), node.takesWork);
  }

  /** What only changes the room of a known node; the kinds that it suits stay as they are. */
  setFree(id: string, free: Resources, takesWork: boolean): void {
    const index = this.#indices.get(id);
    if (index !== undefined) this.#tree.setFree(index, free, takesWork);
  }

  /** Takes a new node in, or another state of a known one. Throws `invalid-request`. */
  set(node: NodeOffer): void {
    checkNode(node);
    const isCovered = resourceNames([node.capacity]).every((name) => this.#tree.names.includes(name));
    const known = this.#indices.get(node.id);
    if (known === undefined) assertAmount('the number of nodes', this.size + 1, 0, PLACEMENT_LIMITS.nodes);
    if (known !== undefined && isCovered) this.#tree.set(known, node);
    const index = isCovered ? (known ?? this.#add(node)) : -1;
    if (index < 0) return this.#rebuild(node);
    for (const kind of this.#masks.values()) this.#setSuits(kind, index, kind.suits(node));
  }

  /** False if it is not known. */
  remove(id: string): boolean {
    const index = this.#indices.get(id);
    if (index === undefined) return false;
    this.#indices.delete(id);
    this.#tree.set(index, null);
    for (const kind of this.#masks.values()) this.#setSuits(kind, index, false);
    return true;
  }

  #strategyOf(name: RouterStrategyName): RouterStrategy {
    const known = this.#strategies.get(name);
    if (known !== undefined) return known;
    const strategy = routerStrategy(name);
    this.#strategies.set(name, strategy);
    return strategy;
  }

  #setSuits(kind: KindMask, index: number, suits: boolean): void {
    const did = kind.mask[this.#tree.leaves + index] === 1;
    if (did === suits) return;
    this.#tree.updateMask(kind.mask, index, suits);
    kind.count += suits ? 1 : -1;
  }

  #kindOf({ kind, suits }: Pick<PlaceQuestion, 'kind' | 'suits'>): KindMask {
    const known = this.#masks.get(kind);
    const entry = known ?? this.#newKind(suits);
    if (known !== undefined) this.#masks.delete(kind);
    const oldest = this.#masks.keys().next();
    if (this.#masks.size >= PLACEMENT_LIMITS.routedClasses && !oldest.done) this.#masks.delete(oldest.value);
    this.#masks.set(kind, entry);
    return entry;
  }

  #newKind(suits: (node: NodeOffer) => boolean): KindMask {
    const mask = this.#tree.mask(suits);
    let count = 0;
    for (let place = this.#tree.leaves; place < mask.length; place += 1) count += mask[place] as number;
    return { suits, mask, count };
  }

  /** Index of a node that was not known; -1 if there is no room for it in the tree. */
  #add(node: NodeOffer): number {
    const index = this.#tree.add(node);
    if (index >= 0) this.#indices.set(node.id, index);
    return index;
  }

  /** A tree with twice the room, or with more resources. Masks are made anew when they are asked for. */
  #rebuild(node: NodeOffer): void {
    const all = [...this.nodes().filter(({ id }) => id !== node.id), node];
    if (this.#order !== undefined) all.sort(this.#order);
    this.#tree = treeOf(all);
    this.#indices = new Map(all.map(({ id }, index) => [id, index]));
    this.#masks.clear();
  }
}

function treeOf(nodes: readonly NodeOffer[]): NodeTree {
  return new NodeTree(nodes, resourceNames(nodes.map(({ capacity }) => capacity)));
}
