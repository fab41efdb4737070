/**
 * Workflows on cores that are all the same, one core a task, without time to move data.
 *
 * `scheduleOnCores` lets no core idle while a task is ready (list scheduling, Graham 1969), under several orders of
 * priority, tries HEFT too, and takes the shortest.
 */
import { FogError } from '@fog/contract';
import type { GraphSchedule } from '../../queueing/graph/graph-schedule.ts';
import { heftSchedule, peftSchedule } from '../../queueing/graph/list-scheduling.ts';
import { optimiseSchedule } from '../../queueing/graph/optimise-schedule.ts';
import type { TaskGraph } from '../../queueing/graph/task-graph.ts';
import { QUEUEING_LIMITS } from '../../queueing/limits.ts';
import { RandomNumbers } from '../../random-numbers.ts';
import { BinaryHeap } from '../binary-heap.ts';
import { WORKFLOW_LIMITS } from './limits.ts';
import type { Workflow } from './workflow.ts';

export interface CoreSchedule {
  /** By task. */
  core: Uint32Array;
  startSeconds: Float64Array;
  makespanSeconds: number;
}

export interface CoreSearch {
  /** Further orders to try before the best is taken; it ends early at the lower bound. */
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

/**
 * Never longer than `heftOnCores`, unless the workflow is too large for that. The same seed gives the same schedule. Throws
 * `invalid-request` for absurd numbers.
 */
export function scheduleOnCores(workflow: Workflow, cores: number, search: CoreSearch = {}): CoreSchedule {
  const { attempts = DEFAULT_ATTEMPTS, seed = 1 } = search;
  if (!Number.isSafeInteger(attempts) || attempts < 0 || attempts > WORKFLOW_LIMITS.attempts) {
    throw new FogError('invalid-request', `${attempts} attempts`, { hint: `0 to ${WORKFLOW_LIMITS.attempts}` });
  }
  const bound = lowerBoundSeconds(workflow, checkedCores(cores));
  const ways = upwardSeconds(workflow);
  let best = listSchedule(workflow, cores, ways);
  if (best.makespanSeconds <= bound) return best;
  if (workflow.runSeconds.length * usedCores(workflow, cores) <= QUEUEING_LIMITS.graphCells) {
    const heft = heftOnCores(workflow, cores);
    if (heft.makespanSeconds < best.makespanSeconds) best = heft;
  }
  const random = new RandomNumbers(seed);
  for (let attempt = 0; attempt < attempts && best.makespanSeconds > bound; attempt += 1) {
    random.useStream(attempt);
    const spread = SPREADS[attempt % SPREADS.length] as number;
    const priorities = ways.map((way) => way * (1 + spread * (random.unit() - 0.5)));
    const found = listSchedule(workflow, cores, priorities);
    if (found.makespanSeconds < best.makespanSeconds) best = found;
  }
  return best;
}

/** Throws `invalid-request` for an absurd number of cores, and for more tasks times cores than a task graph may have. */
export function heftOnCores(workflow: Workflow, cores: number): CoreSchedule {
  return coreSchedule(heftSchedule(graphOnCores(workflow, cores)));
}

/** Throws as `heftOnCores` does, and when the table of costs would take too long. */
export function peftOnCores(workflow: Workflow, cores: number): CoreSchedule {
  return coreSchedule(peftSchedule(checkedForPeft(graphOnCores(workflow, cores))));
}

/** Better than HEFT and PEFT by so many trials at most. Throws as `peftOnCores` does. */
export function annealOnCores(
  workflow: Workflow,
  cores: number,
  { attempts, seed }: Required<CoreSearch>,
): CoreSchedule {
  const graph = checkedForPeft(graphOnCores(workflow, cores));
  return coreSchedule(optimiseSchedule(graph, { evaluations: attempts, random: new RandomNumbers(seed) }));
}

function graphOnCores(workflow: Workflow, cores: number): TaskGraph {
  const { runSeconds, successors } = workflow;
  const used = usedCores(workflow, checkedCores(cores));
  const runTimes = Array.from(runSeconds, (seconds) => new Array<number>(used).fill(seconds));
  const edges = successors.flatMap((of, from) => Array.from(of, (to) => ({ from, to, transferTime: 0 })));
  return { runTimes, edges };
}

/** Its table of costs looks at each dependency for each pair of cores. */
function checkedForPeft(graph: TaskGraph): TaskGraph {
  const steps = graph.edges.length * (graph.runTimes[0]?.length ?? 0) ** 2;
  if (steps <= WORKFLOW_LIMITS.peftSteps) return graph;
  throw new FogError('invalid-request', `PEFT would take ${steps.toPrecision(2)} steps`, {
    hint: `dependencies times cores squared are at most ${WORKFLOW_LIMITS.peftSteps}: give fewer cores`,
  });
}

function coreSchedule({ placements }: GraphSchedule): CoreSchedule {
  const schedule = emptySchedule(placements.length);
  for (const { task, processor, start, end } of placements) enter(schedule, task, processor, start, end);
  return schedule;
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

/** Cores beyond one a task stay empty. */
function usedCores({ runSeconds }: Workflow, cores: number): number {
  return Math.min(cores, runSeconds.length);
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
