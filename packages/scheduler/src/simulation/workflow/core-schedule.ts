/**
 * Workflows on cores that are all the same, one core a task, without time to move data.
 *
 * `heftOnCores` is HEFT (Topcuoglu, Hariri, Wu, 2002) for this case. `scheduleOnCores` begins with it, then lets no core
 * idle while a task is ready (list scheduling, Graham 1969) under several orders of priority, and takes the shortest.
 */
import { FogError } from '@fog/contract';
import { RandomNumbers } from '../../random-numbers.ts';
import { BinaryHeap } from './binary-heap.ts';
import { WORKFLOW_LIMITS } from './limits.ts';
import type { Workflow } from './workflow.ts';

export interface CoreSchedule {
  /** By task. */
  core: Uint32Array;
  startSeconds: Float64Array;
  makespanSeconds: number;
}

export interface CoreSearch {
  /** Schedules to try before the best is taken; it ends early at the lower bound. */
  attempts?: number;
  seed?: number;
}

const DEFAULT_ATTEMPTS = 50;
/** How far priorities are drawn apart from the length of the way to the end, in parts of it: less, then more. */
const SPREADS = [0.05, 0.2, 1];

/** No schedule is shorter than the longest way through the workflow, nor than its work shared by all cores. */
export function lowerBoundSeconds(workflow: Workflow, cores: number): number {
  const longest = upwardSeconds(workflow).reduce((most, way) => Math.max(most, way), 0);
  const work = workflow.runSeconds.reduce((sum, seconds) => sum + seconds, 0);
  return Math.max(longest, work / cores);
}

/** Never longer than `heftOnCores`. The same seed gives the same schedule. Throws `invalid-request` for absurd numbers. */
export function scheduleOnCores(workflow: Workflow, cores: number, search: CoreSearch = {}): CoreSchedule {
  const { attempts = DEFAULT_ATTEMPTS, seed = 1 } = search;
  if (!Number.isSafeInteger(attempts) || attempts < 1 || attempts > WORKFLOW_LIMITS.attempts) {
    throw new FogError('invalid-request', `${attempts} attempts`, { hint: `1 to ${WORKFLOW_LIMITS.attempts}` });
  }
  const bound = lowerBoundSeconds(workflow, checkedCores(cores));
  const ways = upwardSeconds(workflow);
  const random = new RandomNumbers(seed);
  let best = heftOnCores(workflow, cores);
  for (let attempt = 0; attempt < attempts && best.makespanSeconds > bound; attempt += 1) {
    random.useStream(attempt);
    const spread = attempt === 0 ? 0 : (SPREADS[attempt % SPREADS.length] as number);
    const found = listSchedule(
      workflow,
      cores,
      ways.map((way) => way * (1 + spread * (random.unit() - 0.5))),
    );
    if (found.makespanSeconds < best.makespanSeconds) best = found;
  }
  return best;
}

/** Longest way to the end first, each where it ends first, in gaps too. */
export function heftOnCores(workflow: Workflow, cores: number): CoreSchedule {
  checkedCores(cores);
  const { runSeconds, successors, topological } = workflow;
  const ways = upwardSeconds(workflow);
  // Stable, so that of tasks with the same way (of which one ran for no time) what is needed comes first.
  const order = Array.from(topological).sort((left, right) => (ways[right] as number) - (ways[left] as number));
  const ready = new Float64Array(runSeconds.length);
  const timelines = Array.from(
    { length: Math.min(cores, runSeconds.length) },
    (): [start: number, end: number][] => [],
  );
  const schedule = emptySchedule(runSeconds.length);
  for (const task of order) {
    const seconds = runSeconds[task] as number;
    const earliest = ready[task] as number;
    let core = 0;
    let start = Number.POSITIVE_INFINITY;
    for (const [index, timeline] of timelines.entries()) {
      const found = earliestGap(timeline, earliest, seconds);
      if (found >= start) continue;
      start = found;
      core = index;
      if (start === earliest) break;
    }
    const end = start + seconds;
    insert(timelines[core] as [number, number][], [start, end]);
    enter(schedule, task, core, start, end);
    for (const next of successors[task] as Uint32Array) ready[next] = Math.max(ready[next] as number, end);
  }
  return schedule;
}

function earliestGap(timeline: readonly [start: number, end: number][], earliest: number, seconds: number): number {
  let start = earliest;
  for (const [nextStart, end] of timeline) {
    if (start + seconds <= nextStart) break;
    start = Math.max(start, end);
  }
  return start;
}

function insert(timeline: [start: number, end: number][], [start, end]: [start: number, end: number]): void {
  let at = timeline.length;
  while (at > 0 && (timeline[at - 1] as [number, number])[0] > start) at -= 1;
  // Of what takes no time, two may begin at once: then what ends first comes first.
  while (
    at > 0 &&
    (timeline[at - 1] as [number, number])[0] === start &&
    (timeline[at - 1] as [number, number])[1] > end
  )
    at -= 1;
  timeline.splice(at, 0, [start, end]);
}

function listSchedule(
  { runSeconds, successors, predecessorCounts }: Workflow,
  cores: number,
  priorities: Float64Array,
) {
  const schedule = emptySchedule(runSeconds.length);
  const missing = predecessorCounts.slice();
  const ready = new BinaryHeap((left, right) => (priorities[right] as number) - (priorities[left] as number));
  const ends = new Float64Array(runSeconds.length);
  const running = new BinaryHeap((left, right) => (ends[left] as number) - (ends[right] as number));
  const free = new BinaryHeap();
  for (let core = 0; core < Math.min(cores, runSeconds.length); core += 1) free.push(core);
  for (const [task, count] of missing.entries()) if (count === 0) ready.push(task);
  let now = 0;
  while (ready.size > 0 || running.size > 0) {
    while (ready.size > 0 && free.size > 0) {
      const task = ready.pop();
      const end = now + (runSeconds[task] as number);
      ends[task] = end;
      enter(schedule, task, free.pop(), now, end);
      running.push(task);
    }
    now = ends[running.first] as number;
    while (running.size > 0 && (ends[running.first] as number) <= now) {
      const ended = running.pop();
      free.push(schedule.core[ended] as number);
      for (const next of successors[ended] as Uint32Array) {
        missing[next] = (missing[next] as number) - 1;
        if (missing[next] === 0) ready.push(next);
      }
    }
  }
  return schedule;
}

/** By task: the longest way from its beginning to the end of the workflow. */
function upwardSeconds({ runSeconds, successors, topological }: Workflow): Float64Array {
  const ways = new Float64Array(runSeconds.length);
  for (const task of topological.toReversed()) {
    let longest = 0;
    for (const next of successors[task] as Uint32Array) longest = Math.max(longest, ways[next] as number);
    ways[task] = longest + (runSeconds[task] as number);
  }
  return ways;
}

function checkedCores(cores: number): number {
  if (Number.isSafeInteger(cores) && cores >= 1 && cores <= WORKFLOW_LIMITS.cores) return cores;
  throw new FogError('invalid-request', `${cores} cores`, { hint: `1 to ${WORKFLOW_LIMITS.cores}` });
}

function emptySchedule(tasks: number): CoreSchedule {
  return { core: new Uint32Array(tasks), startSeconds: new Float64Array(tasks), makespanSeconds: 0 };
}

function enter(schedule: CoreSchedule, task: number, core: number, start: number, end: number): void {
  schedule.core[task] = core;
  schedule.startSeconds[task] = start;
  schedule.makespanSeconds = Math.max(schedule.makespanSeconds, end);
}
