/**
 * A plan says which task goes to which node, and from which state of both that follows. It is applied by comparing: an
 * assignment holds if its task and node still are what they were and the node has room, whatever has become of the others.
 * So a plan that comes late does no harm; the worst of it is that nothing holds.
 */
import { estimatePair, type PairEstimate } from './estimates.ts';
import { type Exclusion, hurdleOf } from './feasibility.ts';
import {
  areNeighbours,
  changedResources,
  holds,
  type NodeOffer,
  type ObjectiveName,
  type TaskToPlace,
} from './model.ts';

export interface PlannedAssignment {
  task: string;
  taskVersion: number;
  node: string;
  nodeVersion: number;
  /** The node that it is moved from; null for a task that waits. */
  from: string | null;
  estimate: PairEstimate;
}

/** Why a task has no node: none suits, or those that do have no room. */
export type LeftReason = 'no-node' | 'no-room';

export interface LeftTask {
  task: string;
  reason: LeftReason;
  excluded: Exclusion[];
}

export interface PlacementPlan {
  /** Milliseconds since 1970. */
  computedAt: number;
  objectives: ObjectiveName[];
  /** What the whole plan is expected to come to, by objective, in its unit. */
  values: number[];
  /** Of waiting tasks, and of running ones that move; those that stay where they are, are not mentioned. */
  assignments: PlannedAssignment[];
  left: LeftTask[];
}

/** Why an assignment no longer holds. */
export const STALE_REASONS = [
  'task-gone',
  'task-changed',
  'node-gone',
  'node-changed',
  'unsuitable',
  'replica',
  'no-room',
  'not-worth-it',
] as const;
export type StaleReason = (typeof STALE_REASONS)[number];

export interface AppliedPlan {
  /** In the order in which room was given. Together they fit into what is free. */
  hold: PlannedAssignment[];
  stale: { assignment: PlannedAssignment; reason: StaleReason }[];
}

/** What is known now; of `nodes`, `free` without the tasks that run. */
export interface PresentState {
  tasks: readonly TaskToPlace[];
  nodes: readonly NodeOffer[];
  /** Milliseconds since 1970. */
  now: number;
  /** Nodes of replicas of a group that run and are not among `tasks`, by group. */
  replicas?: Readonly<Record<string, readonly NodeOffer[]>>;
}

/**
 * Which assignments of the plan still hold. Room that a task would give up by moving is counted only once it has moved.
 * The caller carries out what holds in one transaction with the same comparison, or under a lock.
 */
export function applyPlan(plan: PlacementPlan, present: PresentState): AppliedPlan {
  const tasks = new Map(present.tasks.map((task) => [task.id, task]));
  const nodes = new Map(present.nodes.map((node) => [node.id, node]));
  const groups = new Map(Object.entries(present.replicas ?? {}).map(([group, held]) => [group, [...held]]));
  for (const { replicaGroup, running } of present.tasks) {
    const node = running === null ? undefined : nodes.get(running.node);
    if (replicaGroup !== null && node !== undefined) join(groups, replicaGroup, node);
  }
  const applied: AppliedPlan = { hold: [], stale: [] };
  for (const assignment of plan.assignments) {
    const task = tasks.get(assignment.task);
    const node = nodes.get(assignment.node);
    const reason = staleReason(assignment, task, node, nodes, groups, present.now);
    if (reason !== null || task === undefined || node === undefined) {
      applied.stale.push({ assignment, reason: reason ?? 'task-gone' });
      continue;
    }
    applied.hold.push(assignment);
    // Of two assignments of one task only the first can hold.
    tasks.delete(task.id);
    nodes.set(node.id, { ...node, free: changedResources(node.free, task.needs, -1) });
    if (task.replicaGroup !== null) join(groups, task.replicaGroup, node);
  }
  return applied;
}

function staleReason(
  assignment: PlannedAssignment,
  task: TaskToPlace | undefined,
  node: NodeOffer | undefined,
  nodes: ReadonlyMap<string, NodeOffer>,
  groups: ReadonlyMap<string, readonly NodeOffer[]>,
  now: number,
): StaleReason | null {
  if (task === undefined) return 'task-gone';
  if (task.version !== assignment.taskVersion || (task.running?.node ?? null) !== assignment.from)
    return 'task-changed';
  if (node === undefined) return 'node-gone';
  if (node.version !== assignment.nodeVersion) return 'node-changed';
  const from = task.running === null ? undefined : nodes.get(task.running.node);
  const hurdle = hurdleOf(task, node, now, from ?? null);
  if (hurdle === 'restart-cost') return 'not-worth-it';
  if (hurdle !== null) return 'unsuitable';
  const others = task.replicaGroup === null ? [] : (groups.get(task.replicaGroup) ?? []);
  if (others.some((other) => other.id !== from?.id && areNeighbours(other, node))) return 'replica';
  return holds(node.free, task.needs) ? null : 'no-room';
}

function join(groups: Map<string, NodeOffer[]>, group: string, node: NodeOffer): void {
  const members = groups.get(group);
  if (members === undefined) groups.set(group, [node]);
  else members.push(node);
}

/** A plan from the node of each task: -1 for a task that has none. Those of higher priority come first. */
export function planFrom(
  tasks: readonly TaskToPlace[],
  nodes: readonly NodeOffer[],
  placed: ArrayLike<number>,
  rest: Pick<PlacementPlan, 'computedAt' | 'objectives' | 'values' | 'left'>,
): PlacementPlan {
  const assignments = tasks.flatMap((task, index) => {
    const node = nodes[placed[index] as number];
    if (node === undefined || task.running?.node === node.id) return [];
    const estimate = estimatePair(task, node, rest.computedAt);
    const from = task.running?.node ?? null;
    const priority = task.priority;
    return {
      priority,
      planned: { task: task.id, taskVersion: task.version, node: node.id, nodeVersion: node.version, from, estimate },
    };
  });
  assignments.sort((left, right) => right.priority - left.priority);
  return { ...rest, assignments: assignments.map(({ planned }) => planned) };
}
