/** In which order jobs wait. A score is computed for each job; the lowest goes first, equal ones as they came. */
import type { RigidJob } from './rigid-job.ts';

export type JobScore = (job: RigidJob, nowSeconds: number) => number;

export const JOB_ORDERS = ['fcfs', 'sjf', 'smallest-area', 'least-slowdown', 'f1', 'wfp3', 'unicep'] as const;
export type JobOrder = (typeof JOB_ORDERS)[number];

/** Where a formula has no value: the logarithm of 0, or a division by the logarithm of one processor. */
const SMALLEST_LOGARITHM_OF = 0.1;
const TINY = 1e-15;
/** Bounded slowdown counts shorter jobs as if they took this long. */
const SLOWDOWN_BOUND_SECONDS = 10;

/**
 * - `fcfs`: first come, first served.
 * - `sjf`: the shortest requested time.
 * - `smallest-area`: the fewest processor-seconds.
 * - `least-slowdown`: Smith's rule (1956) for the sum of bounded slowdowns. A second of waiting costs a job 1 / max(time,
 *   10 s), so the rule's ratio of work to cost is area times that time.
 * - `f1`: learned from simulations (Carastan-Santos, de Camargo, "Obtaining Dynamic Scheduling Policies with Simulation
 *   and Machine Learning", SC'17). Goes by the absolute submit time, so seconds have to begin with the queue.
 * - `wfp3`, `unicep`: favour who waited long in relation to its size (Tang et al., "Fault-aware, utility-based job
 *   scheduling on Blue Gene/P systems", Cluster 2009).
 */
export const JOB_SCORES: Readonly<Record<JobOrder, JobScore>> = {
  fcfs: ({ submittedAtSeconds }) => submittedAtSeconds,
  sjf: ({ requestedSeconds }) => requestedSeconds,
  'smallest-area': ({ requestedSeconds, processors }) => requestedSeconds * processors,
  'least-slowdown': ({ requestedSeconds, processors }) =>
    requestedSeconds * processors * Math.max(requestedSeconds, SLOWDOWN_BOUND_SECONDS),
  f1: ({ requestedSeconds, processors, submittedAtSeconds }) =>
    Math.log10(requestedSeconds || SMALLEST_LOGARITHM_OF) * processors +
    870 * Math.log10(submittedAtSeconds || SMALLEST_LOGARITHM_OF),
  wfp3: (job, nowSeconds) => wfp3Score(job, nowSeconds - job.submittedAtSeconds),
  unicep: (job, nowSeconds) => unicepScore(job, nowSeconds - job.submittedAtSeconds),
};

export function wfp3Score({ requestedSeconds, processors }: RigidJob, waitedSeconds: number): number {
  return -((waitedSeconds / requestedSeconds) ** 3) * processors;
}

export function unicepScore({ requestedSeconds, processors }: RigidJob, waitedSeconds: number): number {
  return -(waitedSeconds + TINY) / (Math.log2(processors + TINY) * requestedSeconds);
}

/** The jobs by their scores. A job whose score is no number goes last: it must not spoil the order of the others. */
export function inOrder<Job extends RigidJob>(jobs: readonly Job[], score: JobScore, nowSeconds: number): Job[] {
  const scored = jobs.map((job) => {
    const value = score(job, nowSeconds);
    return { job, value: Number.isNaN(value) ? Number.POSITIVE_INFINITY : value };
  });
  return scored.sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0)).map(({ job }) => job);
}
