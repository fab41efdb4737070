/** Tasks that need results of each other: a directed graph without cycles. */
import { FogError } from '@fog/contract';
import { QUEUEING_LIMITS } from '../limits.ts';

export interface TaskEdge {
  from: number;
  to: number;
  /** Time to move the result when the two tasks run on different processors; on the same it takes none. */
  transferTime: number;
}

/** Tasks and processors go by their index. Times are in any one unit. */
export interface TaskGraph {
  /** `runTimes[task][processor]`. */
  runTimes: readonly (readonly number[])[];
  edges: readonly TaskEdge[];
}

/** What schedulers ask of a graph, computed once. */
export interface PreparedGraph {
  tasks: number;
  processors: number;
  /** `runTimes[task * processors + processor]`. */
  runTimes: Float64Array;
  predecessors: TaskEdge[][];
  successors: TaskEdge[][];
  /** Every task after all that it needs; of several, the lowest index first. */
  topological: number[];
}

/**
 * Throws `invalid-request` for times that are negative or no numbers, for rows of different lengths, for edges to tasks
 * that do not exist, and for a cycle: then `details.cycle` names its tasks in order.
 */
export function prepareGraph({ runTimes, edges }: TaskGraph): PreparedGraph {
  const tasks = runTimes.length;
  const processors = runTimes[0]?.length ?? 0;
  const { graphTasks, graphEdges, graphProcessors, graphCells } = QUEUEING_LIMITS;
  const isSmall =
    tasks <= graphTasks &&
    edges.length <= graphEdges &&
    processors <= graphProcessors &&
    tasks * processors <= graphCells;
  const isWell = runTimes.every((row) => row.length === processors && row.every(isTime));
  if (tasks === 0 || processors === 0 || !isSmall || !isWell) {
    throw new FogError('invalid-request', 'a task graph needs a run time of each task on each processor', {
      details: { tasks, processors, edges: edges.length },
      hint: `times are from 0 to ${QUEUEING_LIMITS.graphTime}; at most ${graphTasks} tasks, ${graphEdges} edges, ${graphProcessors} processors`,
    });
  }
  const predecessors: TaskEdge[][] = Array.from({ length: tasks }, () => []);
  const successors: TaskEdge[][] = Array.from({ length: tasks }, () => []);
  for (const edge of edges) {
    const [before, after] = [successors[edge.from], predecessors[edge.to]];
    if (before === undefined || after === undefined || !isTime(edge.transferTime)) {
      throw new FogError('invalid-request', `the edge from task ${edge.from} to ${edge.to} is none`, {
        details: { edge: { ...edge } },
        hint: `tasks are numbered from 0 to ${tasks - 1}, and times are from 0 to ${QUEUEING_LIMITS.graphTime}`,
      });
    }
    before.push(edge);
    after.push(edge);
  }
  const topological = topologicalOrder(
    Array.from({ length: tasks }, (_, task) => `${task}`),
    {
      predecessors: predecessors.map((list) => list.map(({ from }) => from)),
      successors: successors.map((list) => list.map(({ to }) => to)),
    },
  );
  return { tasks, processors, runTimes: Float64Array.from(runTimes.flat()), predecessors, successors, topological };
}

function isTime(value: number): boolean {
  return value >= 0 && value <= QUEUEING_LIMITS.graphTime;
}

/**
 * Indices so that each comes after what it needs. Throws `invalid-request` when there is no such order, with the names
 * on one of the cycles.
 */
export function topologicalOrder(
  names: readonly string[],
  { predecessors, successors }: { predecessors: readonly number[][]; successors: readonly number[][] },
): number[] {
  const missing = predecessors.map((list) => list.length);
  const order = names.flatMap((_, index) => (missing[index] === 0 ? [index] : []));
  for (let at = 0; at < order.length; at += 1) {
    for (const next of successors[order[at] as number] ?? []) {
      missing[next] = (missing[next] as number) - 1;
      if (missing[next] === 0) order.push(next);
    }
  }
  if (order.length === names.length) return order;
  const whole = findCycle(missing, predecessors);
  const cycle = whole.slice(0, QUEUEING_LIMITS.toldCycle).map((index) => names[index] as string);
  const told = whole.length === cycle.length ? cycle : [...cycle, `${whole.length - cycle.length} more`];
  throw new FogError('invalid-request', `these wait for each other: ${told.join(' -> ')} -> ${cycle[0]}`, {
    details: { cycle, ...(whole.length > cycle.length ? { cycleLength: whole.length } : {}) },
    hint: 'remove one of these dependencies',
  });
}

/** What never became ready has a predecessor that did not either, so the way back ends in a cycle. */
function findCycle(missing: readonly number[], predecessors: readonly number[][]): number[] {
  const isStuck = (index: number) => (missing[index] as number) > 0;
  const seen = new Map<number, number>();
  const way: number[] = [];
  let at = missing.findIndex((count) => count > 0);
  while (!seen.has(at)) {
    seen.set(at, way.length);
    way.push(at);
    at = (predecessors[at] as number[]).find(isStuck) as number;
  }
  const cycle = way.slice(seen.get(at)).reverse();
  const lowest = cycle.reduce((best, index, place) => (index < (cycle[best] as number) ? place : best), 0);
  return [...cycle.slice(lowest), ...cycle.slice(0, lowest)];
}
