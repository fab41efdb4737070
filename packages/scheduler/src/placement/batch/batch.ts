/** A batch of tasks and the nodes that they could go to, as flat arrays. */
import { FogError } from '@fog/contract';
import { assertWhole, checkNodes, checkObjectives, checkTasks } from '../checked-model.ts';
import { hurdleOf, kindHurdle, kindOf } from '../feasibility.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import {
  amountOf,
  type NodeOffer,
  type ObjectiveName,
  type Resources,
  resourceNames,
  type TaskToPlace,
} from '../model.ts';

/** In the place of a node: the task has none. */
export const NOWHERE = -1;

export interface Batch {
  tasks: readonly TaskToPlace[];
  nodes: readonly NodeOffer[];
  objectives: readonly ObjectiveName[];
  /** Milliseconds since 1970. */
  now: number;
  /** Resources of each task and node: as many numbers as there are names of resources. */
  width: number;
  needs: Float64Array;
  /** What the tasks of the batch share, what those of them that run have taken among it. */
  free: Float64Array;
  /** Equal numbers: the same owner, the same network. */
  owners: Int32Array;
  prefixes: Int32Array;
  /** Index of the node on which a task runs, or -1. */
  runningOn: Int32Array;
  /** Replica group of each task, or -1, and the tasks of each group. */
  groupOf: Int32Array;
  groups: readonly Int32Array[];
  /** Tenant of each task, numbered from 0. */
  tenantOf: Int32Array;
  tenants: number;
  /** Tasks in the order in which they get room: priority, then size. */
  order: Int32Array;
  /** For each task and node 0: not looked at yet; 1: the node suits the task; 2: it does not. */
  suits: Uint8Array;
  /** Kind of each task, numbered from 0, and for each kind and node the same as `suits`. */
  kindOf: Int32Array;
  suitsKind: Uint8Array;
}

/** Throws `invalid-request` or `invalid-configuration` for tasks, nodes or objectives that make no sense or are too many. */
export function batchOf(
  tasks: readonly TaskToPlace[],
  nodes: readonly NodeOffer[],
  objectives: readonly ObjectiveName[],
  now: number,
): Batch {
  checkTasks(tasks);
  checkNodes(nodes);
  checkObjectives(objectives);
  assertWhole('tasks times nodes', tasks.length * nodes.length, 0, PLACEMENT_LIMITS.batchPairs);
  return compile(tasks, nodes, objectives, now);
}

/** The same batch without the tasks that have no node in `placement`. */
export function batchWithout({ tasks, nodes, objectives, now }: Batch, placement: Int32Array): Batch {
  return compile(
    tasks.filter((_, task) => placement[task] !== NOWHERE),
    nodes,
    objectives,
    now,
  );
}

function compile(
  tasks: readonly TaskToPlace[],
  nodes: readonly NodeOffer[],
  objectives: readonly ObjectiveName[],
  now: number,
): Batch {
  const names = resourceNames([...tasks.map((task) => task.needs), ...nodes.map((node) => node.capacity)]);
  const width = names.length;
  const needs = new Float64Array(tasks.length * width);
  for (let task = 0; task < tasks.length; task += 1) {
    writeAmounts((tasks[task] as TaskToPlace).needs, names, needs, task * width);
  }
  const free = new Float64Array(nodes.length * width);
  for (let node = 0; node < nodes.length; node += 1) {
    writeAmounts((nodes[node] as NodeOffer).free, names, free, node * width);
  }
  const runningOn = runningPlaces(tasks, nodes);
  runningOn.forEach((node, task) => {
    if (node === NOWHERE) return;
    for (let at = 0; at < width; at += 1)
      free[node * width + at] = (free[node * width + at] as number) + (needs[task * width + at] as number);
  });
  const { groupOf, groups } = groupsOf(tasks);
  const tenantOf = numbered(tasks.map(({ tenant }) => tenant));
  const kinds = numbered(tasks.map(kindOf));
  return {
    tasks,
    nodes,
    objectives,
    now,
    width,
    needs,
    free,
    owners: numbered(nodes.map(({ owner }) => owner)),
    prefixes: numbered(nodes.map(({ prefix }) => prefix)),
    runningOn,
    groupOf,
    groups,
    tenantOf,
    tenants: countOf(tenantOf),
    order: orderOf(tasks, needs, free, width),
    suits: new Uint8Array(tasks.length * nodes.length),
    kindOf: kinds,
    suitsKind: new Uint8Array(countOf(kinds) * nodes.length),
  };
}

/** `names` begins with processors and memory. */
function writeAmounts(resources: Resources, names: readonly string[], amounts: Float64Array, at: number): void {
  amounts[at] = resources.milliCpu;
  amounts[at + 1] = resources.memoryBytes;
  for (let other = 2; other < names.length; other += 1) {
    amounts[at + other] = amountOf(resources, names[other] as string);
  }
}

/** -1 for a task that does not run, or whose node is gone. */
function runningPlaces(tasks: readonly TaskToPlace[], nodes: readonly NodeOffer[]): Int32Array {
  const places = new Int32Array(tasks.length).fill(NOWHERE);
  if (tasks.every(({ running }) => running === null)) return places;
  const indices = new Map(nodes.map(({ id }, index) => [id, index]));
  tasks.forEach(({ running }, task) => {
    if (running !== null) places[task] = indices.get(running.node) ?? NOWHERE;
  });
  return places;
}

/** Whether nothing but its free capacity can keep the task off the node. */
export function suitsNode(batch: Batch, task: number, node: number): boolean {
  const at = task * batch.nodes.length + node;
  const known = batch.suits[at];
  if (known !== 0) return known === 1;
  const runningOn = batch.runningOn[task] as number;
  const running = runningOn === NOWHERE ? null : (batch.nodes[runningOn] as NodeOffer);
  const isSuited =
    (runningOn === node || suitsKind(batch, task, node)) &&
    hurdleOf(batch.tasks[task] as TaskToPlace, batch.nodes[node] as NodeOffer, batch.now, running, null) === null;
  batch.suits[at] = isSuited ? 1 : 2;
  return isSuited;
}

/** Tasks of one kind are suited by the same nodes as far as features, places and privacy go: these are compared once. */
function suitsKind(batch: Batch, task: number, node: number): boolean {
  const at = (batch.kindOf[task] as number) * batch.nodes.length + node;
  const known = batch.suitsKind[at];
  if (known !== 0) return known === 1;
  const isSuited = kindHurdle(batch.tasks[task] as TaskToPlace, batch.nodes[node] as NodeOffer) === null;
  batch.suitsKind[at] = isSuited ? 1 : 2;
  return isSuited;
}

export function fitsInto({ needs, width }: Batch, task: number, free: Float64Array, node: number): boolean {
  const needAt = task * width;
  const freeAt = node * width;
  for (let at = 0; at < width; at += 1) {
    if ((needs[needAt + at] as number) > (free[freeAt + at] as number)) return false;
  }
  return true;
}

/** `sign` -1 takes room, 1 gives it back. */
export function useRoom({ needs, width }: Batch, task: number, free: Float64Array, node: number, sign: 1 | -1): void {
  const needAt = task * width;
  const freeAt = node * width;
  for (let at = 0; at < width; at += 1) {
    free[freeAt + at] = (free[freeAt + at] as number) + sign * (needs[needAt + at] as number);
  }
}

/** Whether another replica of the task is on a node of the same owner or network. */
export function meetsReplica(batch: Batch, task: number, node: number, placement: Int32Array, at = 0): boolean {
  const group = batch.groupOf[task] as number;
  if (group < 0) return false;
  const owner = batch.owners[node];
  const prefix = batch.prefixes[node];
  for (const member of batch.groups[group] as Int32Array) {
    const other = placement[at + member] as number;
    if (member === task || other < 0 || other >= batch.nodes.length) continue;
    if (batch.owners[other] === owner || batch.prefixes[other] === prefix) return true;
  }
  return false;
}

function groupsOf(tasks: readonly TaskToPlace[]): { groupOf: Int32Array; groups: Int32Array[] } {
  const members = new Map<string, number[]>();
  tasks.forEach(({ replicaGroup }, index) => {
    if (replicaGroup === null) return;
    const known = members.get(replicaGroup);
    if (known === undefined) members.set(replicaGroup, [index]);
    else known.push(index);
  });
  const groups = [...members.values()].filter((group) => group.length > 1).map((group) => Int32Array.from(group));
  const groupOf = new Int32Array(tasks.length).fill(-1);
  groups.forEach((group, number) => {
    for (const task of group) groupOf[task] = number;
  });
  return { groupOf, groups };
}

function numbered(values: readonly (string | null)[]): Int32Array {
  const numbers = new Map<string | null, number>();
  const numbered = new Int32Array(values.length);
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at] as string | null;
    const known = numbers.get(value);
    numbered[at] = known ?? numbers.size;
    if (known === undefined) numbers.set(value, numbers.size);
  }
  return numbered;
}

/** How many numbers are given out. */
function countOf(numbers: Int32Array): number {
  return numbers.reduce((most, number) => Math.max(most, number + 1), 0);
}

/** Higher priority first; then the larger share of what all nodes have free, since large tasks find room less easily. */
function orderOf(tasks: readonly TaskToPlace[], needs: Float64Array, free: Float64Array, width: number): Int32Array {
  const totals = new Float64Array(width);
  for (let at = 0; at < free.length; at += 1)
    totals[at % width] = (totals[at % width] as number) + (free[at] as number);
  const sizes = new Float64Array(tasks.length);
  const priorities = new Float64Array(tasks.length);
  tasks.forEach(({ running, priority }, task) => {
    for (let at = 0; at < width; at += 1) {
      const share = (needs[task * width + at] as number) / Math.max(1, totals[at] as number);
      sizes[task] = Math.max(sizes[task] as number, share);
    }
    // Running tasks have their room already: they are never pushed out by a task that waits.
    priorities[task] = running === null ? priority : Infinity;
  });
  return Int32Array.from(tasks, (_, index) => index).sort((left, right) => {
    const one = priorities[left] as number;
    const other = priorities[right] as number;
    if (one !== other) return one > other ? -1 : 1;
    return (sizes[right] as number) - (sizes[left] as number) || left - right;
  });
}

/** Throws `internal` if a node holds more than it can, or replicas meet: what no part of the batch may ever let happen. */
export function assertPossible(batch: Batch, placement: Int32Array): void {
  const free = batch.free.slice();
  placement.forEach((node, task) => {
    if (node === NOWHERE) return;
    const isPossible =
      suitsNode(batch, task, node) && fitsInto(batch, task, free, node) && !meetsReplica(batch, task, node, placement);
    if (!isPossible) {
      throw new FogError('internal', `task ${batch.tasks[task]?.id} cannot be on node ${batch.nodes[node]?.id}`);
    }
    useRoom(batch, task, free, node, -1);
  });
}
