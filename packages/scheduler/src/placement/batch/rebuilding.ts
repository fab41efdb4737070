/**
 * Makes a placement cheaper by taking whole nodes apart and filling them anew.
 *
 * Moving one task at a time does not find a better choice of nodes: where each that is woken costs something, the first
 * task that leaves a node saves nothing, and the first on another one pays for all that follow. Here some nodes are cleared
 * together, one of them may stay shut or count as awake, and the tasks go in again in another order. What is a little worse
 * is borne for a while, less and less.
 *
 * After P. Shaw, "Using constraint programming and local search methods to solve vehicle routing problems", CP 1998; the
 * falling threshold after G. Dueck and T. Scheuer, Journal of Computational Physics 90 (1), 1990.
 */
import type { RandomNumbers } from '../../random-numbers.ts';
import { type Batch, fitsInto, meetsReplica, NOWHERE, suitsNode, useRoom } from './batch.ts';

/** What is to become less: the sum over all tasks, and over the nodes that have any. */
export interface PlacementCosts {
  /** At `task * nodes + node`; infinite where the node does not suit. */
  pairs: Float64Array;
  waking: Float64Array;
  /** Instead of the sum: the mean of the tenant whose mean is the greatest. */
  isWorstTenant: boolean;
}

/** Nodes that are cleared together, at most. */
const MOST_CLEARED = 4;
/** How much of its waking the first task on a node has to pay: the less, the sooner several nodes are woken together. */
const WAKING_SHARES = [1, 0.3, 0] as const;
/** One of so many cheaper nodes is passed by, by chance; 0 for none. */
const PASSED_BY = [0, 16, 3] as const;
/** How much worse a placement may be, in what a task costs on average; it falls to nothing, so many times. */
const FIRST_THRESHOLD = 1;
const FALLS = 4;

/** When it ends: after so many attempts, or so many pairs and tasks that were looked at. */
export interface RebuildingBudget {
  attempts: number;
  steps: number;
}

/** A placement of the same tasks that costs no more. */
export function rebuilt(
  batch: Batch,
  costs: PlacementCosts,
  placement: Int32Array,
  budget: RebuildingBudget,
  random: RandomNumbers,
): { placement: Int32Array; cost: number } {
  return new Rebuilding(batch, costs, placement, random).run(budget);
}

class Rebuilding {
  readonly #batch: Batch;
  readonly #costs: PlacementCosts;
  readonly #random: RandomNumbers;
  readonly #placement: Int32Array;
  readonly #free: Float64Array;
  readonly #tasksOn: Int32Array;
  /** Tasks that were taken out, and where they were. */
  readonly #taken: Int32Array;
  readonly #before: Int32Array;
  #takenCount = 0;
  /** Costs of each tenant's tasks, and how many there are. */
  readonly #tenantCosts: Float64Array;
  readonly #tenantTasks: Float64Array;
  readonly #cleared: number[] = [];
  /** Of the attempt at hand: a node that takes nothing, and one that costs nothing to wake; -1 for none. */
  #shut = NOWHERE;
  #awake = NOWHERE;
  /** One of `WAKING_SHARES`, and of `PASSED_BY`. */
  #wakingShare = 1;
  #passedBy = 0;
  /** Of all tasks and woken nodes. */
  #sum = 0;
  /** Of pairs and tasks that were looked at. */
  #steps = 0;

  constructor(batch: Batch, costs: PlacementCosts, placement: Int32Array, random: RandomNumbers) {
    const tasks = batch.tasks.length;
    this.#batch = batch;
    this.#costs = costs;
    this.#random = random;
    this.#placement = placement.slice();
    this.#free = batch.free.slice();
    this.#tasksOn = new Int32Array(batch.nodes.length);
    this.#taken = new Int32Array(tasks);
    this.#before = new Int32Array(tasks);
    this.#tenantCosts = new Float64Array(batch.tenants);
    this.#tenantTasks = new Float64Array(batch.tenants);
    placement.forEach((node, task) => {
      if (node === NOWHERE) return;
      const tenant = batch.tenantOf[task] as number;
      this.#tenantTasks[tenant] = (this.#tenantTasks[tenant] as number) + 1;
      this.#put(task, node);
    });
  }

  run({ attempts, steps }: RebuildingBudget): { placement: Int32Array; cost: number } {
    let cost = this.#cost();
    let best = this.#placement.slice();
    let bestCost = cost;
    const share = FIRST_THRESHOLD / this.#placement.length;
    // Nothing costs less than nothing.
    for (let attempt = 0; attempt < attempts && this.#steps < steps && bestCost > 0; attempt += 1) {
      const left = 1 - ((FALLS * Math.max(attempt / attempts, this.#steps / steps)) % 1);
      const threshold = share * bestCost * left * left * this.#random.unit();
      if (!this.#attempt() || this.#cost() > cost + threshold) {
        this.#undo();
        continue;
      }
      cost = this.#cost();
      if (cost >= bestCost) continue;
      bestCost = cost;
      best = this.#placement.slice();
    }
    return { placement: best, cost: bestCost };
  }

  #cost(): number {
    if (!this.#costs.isWorstTenant) return this.#sum;
    let worst = 0;
    for (let tenant = 0; tenant < this.#tenantCosts.length; tenant += 1) {
      worst = Math.max(worst, (this.#tenantCosts[tenant] as number) / Math.max(1, this.#tenantTasks[tenant] as number));
    }
    // Where the worst is the same, the others count a little.
    return worst + (1e-3 * this.#sum) / this.#placement.length;
  }

  /** False if a task finds no room. */
  #attempt(): boolean {
    this.#takenCount = 0;
    this.#clear();
    this.#random.shuffle(this.#taken, this.#takenCount);
    for (let at = 0; at < this.#takenCount; at += 1) {
      const task = this.#taken[at] as number;
      const node = this.#cheapest(task);
      if (node === NOWHERE) return false;
      this.#put(task, node);
    }
    return true;
  }

  /** Takes tasks off some nodes. */
  #clear(): void {
    const cleared = this.#drawNodes();
    const keepsSome = this.#random.below(3) === 0;
    this.#steps += this.#placement.length;
    for (let task = 0; task < this.#placement.length; task += 1) {
      const node = this.#placement[task] as number;
      if (node === NOWHERE || !cleared.includes(node)) continue;
      if (keepsSome && node !== this.#shut && this.#random.below(2) === 0) continue;
      this.#taken[this.#takenCount] = task;
      this.#before[task] = node;
      this.#takenCount += 1;
      this.#take(task, node);
    }
  }

  /** The first has tasks. */
  #drawNodes(): readonly number[] {
    const random = this.#random;
    const { nodes } = this.#batch;
    const cleared = this.#cleared;
    cleared.length = 0;
    const drawn = this.#placement[random.below(this.#placement.length)] as number;
    if (drawn !== NOWHERE) cleared.push(drawn);
    const count = 1 + random.below(MOST_CLEARED);
    while (cleared.length < Math.min(count, nodes.length)) {
      const node = random.below(nodes.length);
      if (!cleared.includes(node)) cleared.push(node);
    }
    this.#passedBy = PASSED_BY[random.below(PASSED_BY.length)] as number;
    const how = random.below(4);
    this.#shut = how <= 1 ? (cleared[0] as number) : NOWHERE;
    this.#awake = how === 1 || how === 2 ? (cleared.at(-1) as number) : NOWHERE;
    this.#wakingShare = WAKING_SHARES[random.below(WAKING_SHARES.length)] as number;
    return cleared;
  }

  #cheapest(task: number): number {
    const { nodes } = this.#batch;
    const { pairs, waking } = this.#costs;
    const from = task * nodes.length;
    this.#steps += nodes.length;
    let best = NOWHERE;
    let last = NOWHERE;
    let bestCost = Infinity;
    for (let node = 0; node < nodes.length; node += 1) {
      let cost = pairs[from + node] as number;
      if (cost >= bestCost || node === this.#shut) continue;
      if (this.#tasksOn[node] === 0 && node !== this.#awake) cost += this.#wakingShare * (waking[node] as number);
      if (cost >= bestCost || !this.#isOpen(task, node)) continue;
      // Else the same tasks would always go to the same nodes.
      if (this.#passedBy > 0 && this.#random.below(this.#passedBy) === 0) {
        last = node;
        continue;
      }
      bestCost = cost;
      best = node;
    }
    return best === NOWHERE ? last : best;
  }

  #isOpen(task: number, node: number): boolean {
    return (
      fitsInto(this.#batch, task, this.#free, node) &&
      suitsNode(this.#batch, task, node) &&
      !meetsReplica(this.#batch, task, node, this.#placement)
    );
  }

  #put(task: number, node: number): void {
    this.#placement[task] = node;
    useRoom(this.#batch, task, this.#free, node, -1);
    const others = this.#tasksOn[node] as number;
    this.#tasksOn[node] = others + 1;
    this.#count(task, node, others, 1);
  }

  #take(task: number, node: number): void {
    this.#placement[task] = NOWHERE;
    useRoom(this.#batch, task, this.#free, node, 1);
    const others = (this.#tasksOn[node] as number) - 1;
    this.#tasksOn[node] = others;
    this.#count(task, node, others, -1);
  }

  #count(task: number, node: number, others: number, sign: 1 | -1): void {
    const { pairs, waking } = this.#costs;
    const pair = pairs[task * this.#batch.nodes.length + node] as number;
    this.#sum += sign * (others === 0 ? pair + (waking[node] as number) : pair);
    const tenant = this.#batch.tenantOf[task] as number;
    this.#tenantCosts[tenant] = (this.#tenantCosts[tenant] as number) + sign * pair;
  }

  #undo(): void {
    for (let at = 0; at < this.#takenCount; at += 1) {
      const task = this.#taken[at] as number;
      const node = this.#placement[task] as number;
      if (node !== NOWHERE) this.#take(task, node);
    }
    for (let at = 0; at < this.#takenCount; at += 1) {
      const task = this.#taken[at] as number;
      this.#put(task, this.#before[task] as number);
    }
  }
}
