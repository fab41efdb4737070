/** Schedules of task graphs, built by placing one task after the other. */
import type { PreparedGraph } from './task-graph.ts';

export interface ScheduledTask {
  task: number;
  processor: number;
  start: number;
  end: number;
}

export interface GraphSchedule {
  /** One of each task, by task. */
  placements: ScheduledTask[];
  makespan: number;
}

/** A schedule under construction: on each processor, tasks by their start. */
export interface PartialSchedule {
  placements: (ScheduledTask | undefined)[];
  timelines: ScheduledTask[][];
}

export function emptySchedule({ tasks, processors }: PreparedGraph): PartialSchedule {
  return {
    placements: Array.from({ length: tasks }, () => undefined),
    timelines: Array.from({ length: processors }, () => []),
  };
}

/** The earliest place on a processor, in a gap between tasks if one is wide enough. All that it needs is placed. */
export function earliestPlace(
  graph: PreparedGraph,
  { placements, timelines }: PartialSchedule,
  task: number,
  processor: number,
): ScheduledTask {
  let ready = 0;
  for (const { from, transferTime } of graph.predecessors[task] ?? []) {
    const before = placements[from] as ScheduledTask;
    ready = Math.max(ready, before.end + (before.processor === processor ? 0 : transferTime));
  }
  const runTime = graph.runTimes[task * graph.processors + processor] as number;
  let start = ready;
  for (const { start: nextStart, end } of timelines[processor] ?? []) {
    if (start + runTime <= nextStart) break;
    start = Math.max(start, end);
  }
  return { task, processor, start, end: start + runTime };
}

export function place({ placements, timelines }: PartialSchedule, placement: ScheduledTask): void {
  placements[placement.task] = placement;
  const timeline = timelines[placement.processor] as ScheduledTask[];
  let at = timeline.length;
  while (at > 0 && (timeline[at - 1] as ScheduledTask).start > placement.start) at -= 1;
  timeline.splice(at, 0, placement);
}

export function finished({ placements }: PartialSchedule): GraphSchedule {
  const all = placements as ScheduledTask[];
  return { placements: all, makespan: all.reduce((latest, { end }) => Math.max(latest, end), 0) };
}
