/**
 * A bound on the longest wait, for orders by which a job could wait for ever. Two ways:
 *
 * - `bound`: a job that has waited as long as the bound goes before all that have not, and among its like first come is
 *   first served. Being first it holds a reservation, and nothing that came later can push it back. So it starts, at the
 *   latest, when what is then running and the aged jobs before it have had their requested times.
 * - `gradual`: jobs go by area, and an area counts as smaller the longer its job has waited, by a factor of e for each
 *   time constant T. A job can then only be overtaken by jobs that came at most T ln(a / b) after it, with a its area
 *   and b the smallest one. Short jobs suffer much less than under a bound, where everything large ages at once.
 *
 * T is a quarter of the longest time that the machine would have needed so far to work off all that was there: about
 * the longest wait that first come, first served would have caused. So nothing has to be set for a given machine.
 */
import type { RigidJob, RunningJob } from './rigid-job.ts';

export type Aging = { kind: 'bound'; boundSeconds: number } | { kind: 'gradual' };

/** Time constants in the longest time to work everything off. */
const CONSTANTS_IN_DRAIN = 4;
/** Of a queue in which nothing has waited yet. */
const SHORTEST_CONSTANT_SECONDS = 1;

export function hasAged(
  { submittedAtSeconds }: Pick<RigidJob, 'submittedAtSeconds'>,
  nowSeconds: number,
  boundSeconds: number,
): boolean {
  return nowSeconds - submittedAtSeconds >= boundSeconds;
}

/** Aged jobs as they came, then the others by the order of a policy. Both lists hold the same jobs. */
export function agedFirst<Job extends RigidJob>(
  { asTheyCame, ordered }: { asTheyCame: readonly Job[]; ordered: readonly Job[] },
  nowSeconds: number,
  boundSeconds: number,
): Job[] {
  const isAged = (job: Job) => hasAged(job, nowSeconds, boundSeconds);
  return [...asTheyCame.filter(isAged), ...ordered.filter((job) => !isAged(job))];
}

/** The score of gradual aging, as a logarithm: the lowest goes first. */
export function agedAreaScore(job: RigidJob, nowSeconds: number, longestDrainSeconds: number): number {
  const constantSeconds = Math.max(SHORTEST_CONSTANT_SECONDS, longestDrainSeconds / CONSTANTS_IN_DRAIN);
  const area = Math.max(1, job.requestedSeconds * job.processors);
  return Math.log(area) - (nowSeconds - job.submittedAtSeconds) / constantSeconds;
}

/** How long all processors would work on what waits and runs, by requested times; 0 while there are none. */
export function drainSeconds(state: {
  nowSeconds: number;
  totalProcessors: number;
  waiting: readonly RigidJob[];
  running: readonly RunningJob[];
}): number {
  const { nowSeconds, totalProcessors, waiting, running } = state;
  // No time at all, or an endless one, would stay in the memory of the queue for ever.
  if (totalProcessors === 0) return 0;
  let area = 0;
  for (const { processors, requestedSeconds } of waiting) area += processors * requestedSeconds;
  for (const { processors, expectedEndSeconds } of running) {
    area += processors * Math.max(0, expectedEndSeconds - nowSeconds);
  }
  return area / totalProcessors;
}
