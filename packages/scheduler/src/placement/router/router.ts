/**
 * Places single tasks, one after the other, thousands a second. It remembers what it placed where, so that no two tasks
 * are given the same room.
 */
import { FogError } from '@fog/contract';
import { RandomNumbers } from '../../random-numbers.ts';
import { assertAmount, checkNode, checkNodes, checkTask } from '../checked-model.ts';
import { feasibility, isExcluded, kindHurdle, kindOf, noFeasibleNode, pairHurdle } from '../feasibility.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import {
  areNeighbours,
  changedResources,
  type NodeOffer,
  type Resources,
  resourceNames,
  type TaskToPlace,
} from '../model.ts';
import { type Mask, NodeTree } from './node-tree.ts';
import { ROUTER_STRATEGIES, type RouterStrategy, type RouterStrategyName, routerStrategy } from './strategies.ts';

export interface RouterSettings {
  strategy: RouterStrategyName;
  /** The same seed and the same calls give the same places. */
  seed: number;
}

export interface RouterDecision {
  node: string;
  nodeVersion: number;
  strategy: RouterStrategyName;
}

interface Placed {
  node: string;
  needs: Resources;
  replicaGroup: string | null;
}

interface KindMask {
  task: TaskToPlace;
  mask: Mask;
}

export class Router {
  readonly #strategy: RouterStrategy;
  readonly #random: RandomNumbers;
  #tree: NodeTree;
  #indices: Map<string, number>;
  /** By kind of task; the one used longest ago comes first. */
  readonly #masks = new Map<string, KindMask>();
  readonly #placed = new Map<string, Placed>();
  /** Ids of placed tasks, by replica group and by node. */
  readonly #byGroup = new Map<string, Set<string>>();
  readonly #byNode = new Map<string, Set<string>>();

  /** Throws `invalid-request` for nodes that make no sense, `invalid-configuration` for a strategy that does not exist. */
  constructor(nodes: readonly NodeOffer[], { strategy, seed }: RouterSettings) {
    checkNodes(nodes);
    if (!ROUTER_STRATEGIES.includes(strategy)) {
      throw new FogError('invalid-configuration', `there is no strategy "${strategy}"`, {
        hint: `choose one of ${ROUTER_STRATEGIES.join(', ')}`,
      });
    }
    this.#strategy = routerStrategy(strategy);
    this.#random = new RandomNumbers(seed);
    const ordered = this.#strategy.order === undefined ? nodes : nodes.toSorted(this.#strategy.order);
    this.#tree = treeOf(ordered);
    this.#indices = new Map(ordered.map(({ id }, index) => [id, index]));
  }

  /** Tasks that are placed and not released. */
  get placed(): number {
    return this.#placed.size;
  }

  /** The node as the router sees it, what it placed there taken off; undefined for one that is not known. */
  node(id: string): NodeOffer | undefined {
    const index = this.#indices.get(id);
    return index === undefined ? undefined : (this.#tree.node(index) ?? undefined);
  }

  /**
   * Chooses a node and takes room there until `release`. `now` in milliseconds since 1970. Throws `unavailable` when no
   * node suits and has room, with what excludes how many; `conflict` for a task that is placed already; `invalid-request`
   * for one that makes no sense.
   */
  place(task: TaskToPlace, now: number): RouterDecision {
    checkTask(task);
    if (this.#placed.has(task.id)) throw new FogError('conflict', `task ${task.id} is placed already`);
    assertAmount('the number of placed tasks', this.#placed.size + 1, 0, PLACEMENT_LIMITS.routedTasks);
    const index = this.#choose(task, now);
    if (index < 0) throw this.#noPlace(task, now);
    const node = this.#tree.node(index) as NodeOffer;
    this.#tree.set(index, { ...node, free: changedResources(node.free, task.needs, -1) });
    this.#remember(task, node.id);
    return { node: node.id, nodeVersion: node.version, strategy: this.#strategy.name };
  }

  /** Gives the room of a task back. False if it is not placed. */
  release(task: string): boolean {
    const placed = this.#placed.get(task);
    if (placed === undefined) return false;
    this.#placed.delete(task);
    forget(this.#byNode, placed.node, task);
    if (placed.replicaGroup !== null) forget(this.#byGroup, placed.replicaGroup, task);
    const index = this.#indices.get(placed.node);
    const node = index === undefined ? null : this.#tree.node(index);
    if (index !== undefined && node !== null) {
      this.#tree.set(index, { ...node, free: changedResources(node.free, placed.needs, 1) });
    }
    return true;
  }

  /**
   * Takes a new node in, or another state of a known one. `free` is what is free besides the tasks that this router placed
   * there: they are taken off. Throws `invalid-request`.
   */
  setNode(node: NodeOffer): void {
    checkNode(node);
    let { free } = node;
    for (const task of this.#byNode.get(node.id) ?? []) {
      free = changedResources(free, (this.#placed.get(task) as Placed).needs, -1);
    }
    const state = { ...node, free };
    const isCovered = resourceNames([node.capacity]).every((name) => this.#tree.names.includes(name));
    const known = this.#indices.get(node.id);
    if (known === undefined) assertAmount('the number of nodes', this.#indices.size + 1, 0, PLACEMENT_LIMITS.nodes);
    if (known !== undefined && isCovered) this.#tree.set(known, state);
    const index = isCovered ? (known ?? this.#add(state)) : -1;
    if (index < 0) return this.#rebuild(state);
    for (const { task, mask } of this.#masks.values()) {
      this.#tree.updateMask(mask, index, kindHurdle(task, node) === null);
    }
  }

  /** The node is gone. Returns the tasks that were placed there; they are released. */
  removeNode(id: string): string[] {
    const index = this.#indices.get(id);
    if (index === undefined) return [];
    this.#indices.delete(id);
    this.#tree.set(index, null);
    const lost = [...(this.#byNode.get(id) ?? [])];
    for (const task of lost) this.release(task);
    return lost;
  }

  #choose(task: TaskToPlace, now: number): number {
    const replicas = this.#replicasOf(task);
    const isWanted = (node: NodeOffer) =>
      !isExcluded(task, node) && pairHurdle(task, node, now) === null && !isNeighbour(node, replicas);
    if (task.onlyNode !== null) {
      const index = this.#indices.get(task.onlyNode);
      if (index === undefined) return -1;
      return this.#tree.next(
        task.needs,
        this.#maskOf(task),
        index,
        (node) => node.id === task.onlyNode && isWanted(node),
      );
    }
    if (this.#indices.size === 0) return -1;
    return this.#strategy.choose({
      task,
      tree: this.#tree,
      mask: this.#maskOf(task),
      isWanted,
      indexOf: (id) => this.#indices.get(id),
      random: this.#random,
    });
  }

  #maskOf(task: TaskToPlace): Mask {
    const kind = kindOf(task);
    const known = this.#masks.get(kind);
    const entry = known ?? { task, mask: this.#tree.mask((node) => kindHurdle(task, node) === null) };
    if (known !== undefined) this.#masks.delete(kind);
    const oldest = this.#masks.keys().next();
    if (this.#masks.size >= PLACEMENT_LIMITS.routedClasses && !oldest.done) this.#masks.delete(oldest.value);
    this.#masks.set(kind, entry);
    return entry.mask;
  }

  #replicasOf({ replicaGroup }: TaskToPlace): NodeOffer[] {
    const members = replicaGroup === null ? undefined : this.#byGroup.get(replicaGroup);
    if (members === undefined) return [];
    return [...members].flatMap((member) => this.node(this.#placed.get(member)?.node ?? '') ?? []);
  }

  #remember({ id, needs, replicaGroup }: TaskToPlace, node: string): void {
    this.#placed.set(id, { node, needs, replicaGroup });
    keep(this.#byNode, node, id);
    if (replicaGroup !== null) keep(this.#byGroup, replicaGroup, id);
  }

  /** Index of a node that was not known; -1 if there is no room for it in the tree. */
  #add(node: NodeOffer): number {
    const index = this.#tree.add(node);
    if (index >= 0) this.#indices.set(node.id, index);
    return index;
  }

  /** A tree with twice the room, or with more resources. Masks are made anew when they are asked for. */
  #rebuild(node: NodeOffer): void {
    const nodes = [...this.#indices.values()].flatMap((index) => this.#tree.node(index) ?? []);
    const all = [...nodes.filter(({ id }) => id !== node.id), node];
    if (this.#strategy.order !== undefined) all.sort(this.#strategy.order);
    this.#tree = treeOf(all);
    this.#indices = new Map(all.map(({ id }, index) => [id, index]));
    this.#masks.clear();
  }

  #noPlace(task: TaskToPlace, now: number): FogError {
    const replicas = this.#replicasOf(task);
    const nodes = [...this.#indices.values()].flatMap((index) => this.#tree.node(index) ?? []);
    const told: TaskToPlace = {
      ...task,
      excludedNodes: [
        ...task.excludedNodes,
        ...nodes.filter((node) => isNeighbour(node, replicas)).map(({ id }) => id),
      ],
    };
    return noFeasibleNode(task, feasibility(told, nodes, now));
  }
}

function treeOf(nodes: readonly NodeOffer[]): NodeTree {
  return new NodeTree(nodes, resourceNames(nodes.map(({ capacity }) => capacity)));
}

function keep(sets: Map<string, Set<string>>, key: string, id: string): void {
  sets.set(key, (sets.get(key) ?? new Set()).add(id));
}

function forget(sets: Map<string, Set<string>>, key: string, id: string): void {
  const ids = sets.get(key);
  ids?.delete(id);
  if (ids?.size === 0) sets.delete(key);
}

function isNeighbour(node: NodeOffer, others: readonly NodeOffer[]): boolean {
  return others.some((other) => areNeighbours(node, other));
}
