/** How well a run went: the same figures for all kinds of traces. */
import { type Figure, isAvailable, type Unavailable, unavailable } from './figures.ts';
import { energyOf, type PowerFigures } from './node-power.ts';
import { costOf, type ServiceLevelFigures, settleTiers } from './settlement.ts';
import type { LeftOutWork, SimulatedMachine, SimulatedWork } from './simulated-run.ts';

/** Shorter work counts as this long in the slowdown. */
const SLOWDOWN_BOUND_SECONDS = 10;

export interface WaitFigures {
  mean: number;
  p50: number;
  p95: number;
  longest: number;
}

export interface SimulationReport {
  policy: string;
  /** Pieces of work that ran, and those that did not. */
  finished: number;
  leftOut: LeftOutWork[];
  /** From the first submission to the last end. */
  makespanSeconds: Figure;
  /** The makespan in parts of the shortest that is possible. */
  makespanRatio: Figure;
  waitSeconds: WaitFigures | Unavailable;
  /** Mean of max(1, (wait + run) / max(run, 10 s)). */
  boundedSlowdown: Figure;
  /** Of what the machine could have done in that time. */
  utilisationPercent: { processors: Figure; memory: Figure; gpus: Figure };
  energyKilowattHours: Figure;
  /** As bronze. */
  costMicroFog: Figure;
  serviceLevels: ServiceLevelFigures[] | Unavailable;
  /**
   * Of the processor time that stood free, what work that waited could not use; of GPUs, what of the free ones is of no
   * use to the tasks of the list (fragmentation as FGD defines it).
   */
  fragmentationPercent: Figure;
}

export interface ReportAssumptions {
  power: PowerFigures;
  slicePriceMicroFog: number;
}

export interface TimedRun {
  policy: string;
  work: readonly SimulatedWork[];
  leftOut: readonly LeftOutWork[];
  machine: SimulatedMachine;
  makespanRatio: Figure;
  /** Without it the share of processor time that stood free while work waited. */
  fragmentationPercent?: Figure;
}

/** Throws `invalid-request` for a price that is none, and for more work than a settlement takes. */
export function reportOf(run: TimedRun, { power, slicePriceMicroFog }: ReportAssumptions): SimulationReport {
  const { policy, work, leftOut, machine } = run;
  if (work.length === 0) return emptyReport(run, 'nothing ran');
  const first = work.reduce((least, piece) => Math.min(least, piece.submittedAtSeconds), Infinity);
  const last = work.reduce((most, piece) => Math.max(most, piece.endSeconds), -Infinity);
  const makespanSeconds = last - first;
  const waits = Float64Array.from(work, (piece) => piece.startSeconds - piece.submittedAtSeconds).sort();
  const costMicroFog = costOf(work, machine, slicePriceMicroFog);
  const used = (of: (piece: SimulatedWork) => number, capacity: Figure): Figure => {
    if (!isAvailable(capacity)) return capacity;
    const seconds = work.reduce((sum, piece) => sum + of(piece) * (piece.endSeconds - piece.startSeconds), 0);
    if (capacity === 0 || makespanSeconds === 0)
      return unavailable(capacity === 0 ? 'there is none' : 'no time passed');
    return (100 * seconds) / (capacity * makespanSeconds);
  };
  return {
    policy,
    finished: work.length,
    leftOut: [...leftOut],
    makespanSeconds,
    makespanRatio: run.makespanRatio,
    waitSeconds: waitFigures(waits),
    boundedSlowdown: work.reduce((sum, piece) => sum + slowdownOf(piece), 0) / work.length,
    utilisationPercent: {
      processors: used((piece) => piece.processors, machine.processors),
      memory: used((piece) => piece.memoryMebibytes ?? 0, machine.memoryMebibytes),
      gpus: used((piece) => piece.gpus, machine.gpus),
    },
    energyKilowattHours: energyOf(machine, { work, makespanSeconds }, power),
    costMicroFog,
    serviceLevels: settleTiers(work, costMicroFog),
    fragmentationPercent: run.fragmentationPercent ?? freeWhileWaitingPercent(work, machine.processors),
  };
}

/** Of a replay that knows no time, or in which nothing ran: `why` stands for every figure. */
export function emptyReport({ policy, leftOut }: Pick<TimedRun, 'policy' | 'leftOut'>, why: string): SimulationReport {
  const none = unavailable(why);
  return {
    policy,
    finished: 0,
    leftOut: [...leftOut],
    makespanSeconds: none,
    makespanRatio: none,
    waitSeconds: none,
    boundedSlowdown: none,
    utilisationPercent: { processors: none, memory: none, gpus: none },
    energyKilowattHours: none,
    costMicroFog: none,
    serviceLevels: none,
    fragmentationPercent: none,
  };
}

function waitFigures(sorted: Float64Array): WaitFigures {
  const percentile = (percent: number) => sorted[Math.ceil((sorted.length * percent) / 100) - 1] as number;
  return {
    mean: sorted.reduce((sum, wait) => sum + wait, 0) / sorted.length,
    p50: percentile(50),
    p95: percentile(95),
    longest: percentile(100),
  };
}

function slowdownOf({ submittedAtSeconds, startSeconds, endSeconds }: SimulatedWork): number {
  const bounded = Math.max(endSeconds - startSeconds, SLOWDOWN_BOUND_SECONDS);
  return Math.max(1, (endSeconds - submittedAtSeconds) / bounded);
}

/** Of the processor time that stood free, the share while something waited for processors. */
export function freeWhileWaitingPercent(work: readonly SimulatedWork[], processors: number): Figure {
  const changes = work.flatMap(({ submittedAtSeconds, startSeconds, endSeconds, processors: width }) => [
    { at: submittedAtSeconds, waiting: 1, busy: 0 },
    { at: startSeconds, waiting: -1, busy: width },
    { at: endSeconds, waiting: 0, busy: -width },
  ]);
  changes.sort((one, other) => one.at - other.at);
  let [waiting, busy, free, freeWhileWaiting] = [0, 0, 0, 0];
  let since = changes[0]?.at ?? 0;
  for (const change of changes) {
    const area = (processors - busy) * (change.at - since);
    free += area;
    if (waiting > 0) freeWhileWaiting += area;
    waiting += change.waiting;
    busy += change.busy;
    since = change.at;
  }
  return free > 0 ? (100 * freeWhileWaiting) / free : unavailable('no processor stood free');
}
