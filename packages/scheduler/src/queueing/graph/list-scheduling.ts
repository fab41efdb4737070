/** HEFT and PEFT: by rank, each task to the processor that suits it best. O(e p) for e edges and p processors. */
import {
  earliestPlace,
  emptySchedule,
  finished,
  type GraphSchedule,
  place,
  type ScheduledTask,
} from './graph-schedule.ts';
import { optimisticCosts, upwardRanks } from './ranks.ts';
import { type PreparedGraph, prepareGraph, type TaskGraph } from './task-graph.ts';

/** By falling upward rank, each task where it ends first. Throws as `prepareGraph` does. */
export function heftSchedule(graph: TaskGraph): GraphSchedule {
  const prepared = prepareGraph(graph);
  return heftOf(prepared);
}

/** By the mean of the optimistic costs among tasks that are ready, each where end and costs are together least. */
export function peftSchedule(graph: TaskGraph): GraphSchedule {
  return peftOf(prepareGraph(graph));
}

export function heftOf(graph: PreparedGraph): GraphSchedule {
  return scheduleReady(graph, upwardRanks(graph), () => 0);
}

export function peftOf(graph: PreparedGraph): GraphSchedule {
  const { tasks, processors } = graph;
  const costs = optimisticCosts(graph);
  const means = new Float64Array(tasks);
  for (let at = 0; at < costs.length; at += 1) {
    const task = Math.floor(at / processors);
    means[task] = (means[task] as number) + (costs[at] as number) / processors;
  }
  return scheduleReady(graph, means, (task, processor) => costs[task * processors + processor] as number);
}

/**
 * Places the ready task with the highest rank, until none is left. For upward ranks that is their falling order, as no
 * successor has a higher one. Of equal ranks the lower index goes first, of equal places the lower processor.
 */
function scheduleReady(
  graph: PreparedGraph,
  ranks: Float64Array,
  costAfter: (task: number, processor: number) => number,
): GraphSchedule {
  const schedule = emptySchedule(graph);
  const missing = graph.predecessors.map((list) => list.length);
  const ready = missing.flatMap((count, task) => (count === 0 ? [task] : []));
  while (ready.length > 0) {
    const chosen = ready.reduce((best, task, at) => {
      const highest = ready[best] as number;
      const difference = (ranks[task] as number) - (ranks[highest] as number);
      return difference > 0 || (difference === 0 && task < highest) ? at : best;
    }, 0);
    const [task] = ready.splice(chosen, 1) as [number];
    let best: ScheduledTask | null = null;
    let bestCost = Number.POSITIVE_INFINITY;
    for (let processor = 0; processor < graph.processors; processor += 1) {
      const placement = earliestPlace(graph, schedule, task, processor);
      const cost = placement.end + costAfter(task, processor);
      if (cost >= bestCost) continue;
      best = placement;
      bestCost = cost;
    }
    place(schedule, best as ScheduledTask);
    for (const { to } of graph.successors[task] ?? []) {
      missing[to] = (missing[to] as number) - 1;
      if (missing[to] === 0) ready.push(to);
    }
  }
  return finished(schedule);
}
