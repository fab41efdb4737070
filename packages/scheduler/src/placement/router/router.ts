/**
 * Places single tasks, one after the other, thousands a second. It remembers what it placed where, so that no two tasks
 * are given the same room.
 */
import { FogError, ROUTER_STRATEGIES, type RouterStrategyName } from '@fog/contract';
import { assertAmount, checkNode, checkTask } from '../checked-model.ts';
import { feasibility, isExcluded, kindHurdle, kindOf, noFeasibleNode, pairHurdle } from '../feasibility.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import { areNeighbours, changedResources, type NodeOffer, type Resources, type TaskToPlace } from '../model.ts';
import { PlaceIndex } from './place-index.ts';
import { routerStrategy } from './strategies.ts';

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

export class Router {
  readonly #strategy: RouterStrategyName;
  readonly #index: PlaceIndex;
  readonly #placed = new Map<string, Placed>();
  /** Ids of placed tasks, by replica group and by node. */
  readonly #byGroup = new Map<string, Set<string>>();
  readonly #byNode = new Map<string, Set<string>>();

  /** Throws `invalid-request` for nodes that make no sense, `invalid-configuration` for a strategy that does not exist. */
  constructor(nodes: readonly NodeOffer[], { strategy, seed }: RouterSettings) {
    if (!ROUTER_STRATEGIES.includes(strategy)) {
      throw new FogError('invalid-configuration', `there is no strategy "${strategy}"`, {
        hint: `choose one of ${ROUTER_STRATEGIES.join(', ')}`,
      });
    }
    this.#strategy = strategy;
    this.#index = new PlaceIndex(nodes, { seed, order: routerStrategy(strategy).order });
  }

  /** Tasks that are placed and not released. */
  get placed(): number {
    return this.#placed.size;
  }

  /** The node as the router sees it, what it placed there taken off; undefined for one that is not known. */
  node(id: string): NodeOffer | undefined {
    return this.#index.node(id);
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
    const replicas = this.#replicasOf(task);
    const node = this.#index.choose({
      task,
      strategy: this.#strategy,
      kind: kindOf(task),
      suits: (candidate) => kindHurdle(task, candidate) === null,
      isWanted: (candidate) =>
        !isExcluded(task, candidate) && pairHurdle(task, candidate, now) === null && !isNeighbour(candidate, replicas),
    });
    if (node === null) throw this.#noPlace(task, now);
    this.#index.change(node.id, task.needs, -1);
    this.#remember(task, node.id);
    return { node: node.id, nodeVersion: node.version, strategy: this.#strategy };
  }

  /** Gives the room of a task back. False if it is not placed. */
  release(task: string): boolean {
    const placed = this.#placed.get(task);
    if (placed === undefined) return false;
    this.#placed.delete(task);
    forget(this.#byNode, placed.node, task);
    if (placed.replicaGroup !== null) forget(this.#byGroup, placed.replicaGroup, task);
    this.#index.change(placed.node, placed.needs, 1);
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
    this.#index.set({ ...node, free });
  }

  /** The node is gone. Returns the tasks that were placed there; they are released. */
  removeNode(id: string): string[] {
    if (!this.#index.remove(id)) return [];
    const lost = [...(this.#byNode.get(id) ?? [])];
    for (const task of lost) this.release(task);
    return lost;
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

  #noPlace(task: TaskToPlace, now: number): FogError {
    const replicas = this.#replicasOf(task);
    const nodes = this.#index.nodes();
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
