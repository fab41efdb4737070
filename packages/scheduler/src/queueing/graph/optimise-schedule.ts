/**
 * Makes a schedule of a task graph better by local search: simulated annealing over (order, processor of each task),
 * from the better of HEFT and PEFT, with steps that move a task in the order or to another processor. For a given seed
 * and number of evaluations the answer is always the same, and never worse than both.
 */
import type { RandomNumbers } from '../../random-numbers.ts';
import { QUEUEING_LIMITS } from '../limits.ts';
import { earliestPlace, emptySchedule, finished, type GraphSchedule, place } from './graph-schedule.ts';
import { heftOf, peftOf } from './list-scheduling.ts';
import { optimisticCosts } from './ranks.ts';
import { type PreparedGraph, prepareGraph, type TaskGraph } from './task-graph.ts';

/** Of the makespan: how much worse a step may be at first and at last, to be taken in one of e = 2.7 cases. */
const HOT = 0.12;
const COLD = 0.01;

/** The search begins anew after so many evaluations, hot again, every other time from the best. */
const EVALUATIONS_PER_ROUND = 1000;

export interface OptimisedSchedule extends GraphSchedule {
  evaluations: number;
  /** No schedule is shorter; when the makespan equals it, the search has ended early. */
  lowerBound: number;
}

/** Throws as `prepareGraph` does. */
export function optimiseSchedule(
  graph: TaskGraph,
  { evaluations, random }: { evaluations: number; random: Pick<RandomNumbers, 'below' | 'unit'> },
): OptimisedSchedule {
  const prepared = prepareGraph(graph);
  const most = Math.min(Math.max(0, Math.floor(evaluations)), QUEUEING_LIMITS.graphEvaluations);
  const lowerBound = shortestPossible(prepared);
  const [heft, peft] = [heftOf(prepared), peftOf(prepared)];
  let best = peft.makespan < heft.makespan ? peft : heft;
  let done = 0;
  const isMovable = prepared.tasks > 1 || prepared.processors > 1;
  const measure = makespanMeter(prepared);
  const first = encode(prepared, best);
  for (let rounds = 0; isMovable && done < most && best.makespan > lowerBound; rounds += 1) {
    const round = Math.min(EVALUATIONS_PER_ROUND, most - done);
    const from = rounds % 2 === 0 ? first : encode(prepared, best);
    const found = anneal(prepared, from, { round, lowerBound, random, measure });
    if (found.makespan < best.makespan) best = decode(prepared, found.encoding);
    done += round;
  }
  return { ...best, evaluations: done, lowerBound };
}

interface AnnealOptions {
  round: number;
  lowerBound: number;
  random: Pick<RandomNumbers, 'below' | 'unit'>;
  measure: (encoding: Encoding) => number;
}

function anneal(graph: PreparedGraph, from: Encoding, { round, lowerBound, random, measure }: AnnealOptions) {
  const marks = new Uint8Array(graph.tasks);
  let current = from;
  let makespan = measure(from);
  let best = { encoding: current, makespan };
  for (let step = 0; step < round && best.makespan > lowerBound; step += 1) {
    const neighbour = neighbourOf(graph, current, { random, marks });
    const next = measure(neighbour);
    const temperature = best.makespan * HOT * (COLD / HOT) ** (step / round);
    if (next > makespan && random.unit() >= Math.exp((makespan - next) / temperature)) continue;
    current = neighbour;
    makespan = next;
    if (makespan < best.makespan) best = { encoding: current, makespan };
  }
  return best;
}

interface Encoding {
  /** Tasks, each after all that it needs. */
  order: Uint32Array;
  processorOf: Uint32Array;
}

function encode({ tasks, topological }: PreparedGraph, { placements }: GraphSchedule): Encoding {
  const position = new Uint32Array(tasks);
  for (const [at, task] of topological.entries()) position[task] = at;
  const sorted = placements.toSorted(
    (a, b) => a.start - b.start || (position[a.task] as number) - (position[b.task] as number),
  );
  const processorOf = new Uint32Array(tasks);
  for (const { task, processor } of placements) processorOf[task] = processor;
  return { order: Uint32Array.from(sorted, ({ task }) => task), processorOf };
}

function decode(graph: PreparedGraph, { order, processorOf }: Encoding): GraphSchedule {
  const schedule = emptySchedule(graph);
  for (const task of order) {
    place(schedule, earliestPlace(graph, schedule, task, processorOf[task] as number));
  }
  return finished(schedule);
}

/** The makespan that `decode` comes to, without an object for each task: searches ask for it many thousand times. */
function makespanMeter({ tasks, processors, runTimes, predecessors }: PreparedGraph): (encoding: Encoding) => number {
  const starts = Array.from({ length: processors }, () => new Float64Array(tasks));
  const ends = Array.from({ length: processors }, () => new Float64Array(tasks));
  const counts = new Uint32Array(processors);
  const endOf = new Float64Array(tasks);
  return ({ order, processorOf }) => {
    counts.fill(0);
    let makespan = 0;
    for (const task of order) {
      const processor = processorOf[task] as number;
      let start = 0;
      for (const { from, transferTime } of predecessors[task] as PreparedGraph['predecessors'][number]) {
        start = Math.max(start, (endOf[from] as number) + (processorOf[from] === processor ? 0 : transferTime));
      }
      const runTime = runTimes[task * processors + processor] as number;
      const [begun, ended] = [starts[processor] as Float64Array, ends[processor] as Float64Array];
      const count = counts[processor] as number;
      for (let at = 0; at < count && start + runTime > (begun[at] as number); at += 1) {
        start = Math.max(start, ended[at] as number);
      }
      let at = count;
      for (; at > 0 && (begun[at - 1] as number) > start; at -= 1) {
        begun[at] = begun[at - 1] as number;
        ended[at] = ended[at - 1] as number;
      }
      begun[at] = start;
      ended[at] = start + runTime;
      counts[processor] = count + 1;
      endOf[task] = start + runTime;
      makespan = Math.max(makespan, start + runTime);
    }
    return makespan;
  };
}

/** Another processor for one task, or another place in the order between what it needs and what needs it; or both. */
function neighbourOf(
  { tasks, processors, predecessors, successors }: PreparedGraph,
  { order, processorOf }: Encoding,
  { random, marks }: { random: Pick<RandomNumbers, 'below'>; marks: Uint8Array },
): Encoding {
  const next = { order: order.slice(), processorOf: processorOf.slice() };
  const kind = random.below(3);
  const from = random.below(tasks);
  const task = order[from] as number;
  if (kind !== 0 && processors > 1) {
    // Any but the present one.
    const other = (processorOf[task] as number) + 1 + random.below(processors - 1);
    next.processorOf[task] = other % processors;
  }
  if (kind === 1) return next;
  const neighbours = (mark: number) => {
    for (const edge of predecessors[task] ?? []) marks[edge.from] = mark;
    for (const edge of successors[task] ?? []) marks[edge.to] = mark;
  };
  neighbours(1);
  let low = from;
  let high = from;
  while (low > 0 && marks[order[low - 1] as number] === 0) low -= 1;
  while (high < tasks - 1 && marks[order[high + 1] as number] === 0) high += 1;
  neighbours(0);
  if (low === high) return next;
  const drawn = low + random.below(high - low);
  const to = drawn < from ? drawn : drawn + 1;
  if (to < from) next.order.copyWithin(to + 1, to, from);
  else next.order.copyWithin(from, from + 1, to + 1);
  next.order[to] = task;
  return next;
}

/** The longest way with every task on its best processor, and all work spread evenly. */
function shortestPossible(graph: PreparedGraph): number {
  const { tasks, processors, runTimes } = graph;
  const costs = optimisticCosts(graph);
  let longestWay = 0;
  let work = 0;
  for (let task = 0; task < tasks; task += 1) {
    let best = Number.POSITIVE_INFINITY;
    let shortest = Number.POSITIVE_INFINITY;
    for (let at = task * processors; at < (task + 1) * processors; at += 1) {
      best = Math.min(best, (costs[at] as number) + (runTimes[at] as number));
      shortest = Math.min(shortest, runTimes[at] as number);
    }
    longestWay = Math.max(longestWay, best);
    work += shortest;
  }
  return Math.max(longestWay, work / processors);
}
