/**
 * The protocol of RLScheduler (Zhang et al., "RLScheduler: An Automated HPC Batch Job Scheduler Using Reinforcement
 * Learning", SC'20): ten sequences of 1024 jobs in a row from one log, each replayed on an idle machine.
 *
 * `compatiblePolicy` has the rules of that simulator, so that its published figures come out digit for digit. They
 * differ from the textbook: its head is kept until it starts, gaps are filled first come first served and never with
 * processors that are spare at the reservation, one event is looked at at a time, and WFP3 and UNICEP take the waiting
 * time of a job as -1 less its submit time.
 */
import {
  type BackfillRule,
  decideQueue,
  JOB_SCORES,
  type JobScore,
  type QueuePolicy,
  unicepScore,
  wfp3Score,
} from '../queueing/index.ts';
import { type QueueReplay, type SimulatedJob, simulateQueue } from './queue-simulation.ts';
import type { SwfJob, SwfLog } from './swf.ts';

export const RLSCHEDULER_PROTOCOL = {
  sequences: 10,
  jobsPerSequence: 1024,
  /** Shorter jobs count as this long in the slowdown. */
  slowdownBoundSeconds: 10,
} as const;

export const COMPATIBLE_ORDERS = ['fcfs', 'sjf', 'wfp', 'uni', 'f1'] as const;
export type CompatibleOrder = (typeof COMPATIBLE_ORDERS)[number];

const COMPATIBLE_SCORES: Readonly<Record<CompatibleOrder, JobScore>> = {
  fcfs: JOB_SCORES.fcfs,
  sjf: JOB_SCORES.sjf,
  wfp: (job) => wfp3Score(job, -1 - job.submittedAtSeconds),
  uni: (job) => unicepScore(job, -1 - job.submittedAtSeconds),
  f1: JOB_SCORES.f1,
};

export function compatiblePolicy(order: CompatibleOrder, backfill: Exclude<BackfillRule, 'easy'>): QueuePolicy {
  return { order: COMPATIBLE_SCORES[order], backfill, backfillOrder: JOB_SCORES.fcfs, keepsHead: true, aging: null };
}

export interface ReplayMetrics {
  /** Mean of max(1, (wait + run) / max(run, 10 s)). */
  boundedSlowdown: number;
  meanWaitSeconds: number;
  meanTurnaroundSeconds: number;
  /** Work of all jobs over what the machine could have done from the first submission to the last start. */
  utilisation: number;
  longestWaitSeconds: number;
}

/** Of jobs that ran: what a log tells of others cannot be replayed. */
export function replayableJobs({ jobs }: SwfLog, processors: number): SimulatedJob[] {
  return jobs
    .filter((job) => job.runSeconds > 0 && job.processors > 0 && job.processors <= processors)
    .map(simulatedJob);
}

/** Evenly spaced from the first job to the last that has enough jobs after it; one sequence when the log is too short. */
export function evenStarts(jobs: number): number[] {
  const { sequences, jobsPerSequence } = RLSCHEDULER_PROTOCOL;
  const last = jobs - jobsPerSequence;
  if (last <= 0) return [0];
  const starts = Array.from({ length: sequences }, (_, index) => Math.floor((index * last) / (sequences - 1)));
  return [...new Set(starts)];
}

/** Replays the sequence that begins with job `start`. Throws as `simulateQueue` does. */
export function replaySequence(
  all: readonly SimulatedJob[],
  start: number,
  { processors, policy, isCompatible = false }: { processors: number; policy: QueuePolicy; isCompatible?: boolean },
): ReplayMetrics {
  const jobs = all
    .slice(start, start + RLSCHEDULER_PROTOCOL.jobsPerSequence)
    .sort((a, b) => a.submittedAtSeconds - b.submittedAtSeconds);
  const replay = simulateQueue({
    jobs,
    processors,
    decide: (state) => decideQueue(policy, state),
    isEventByEvent: isCompatible,
  });
  return metricsOf(jobs, replay, processors);
}

/** Sums in the order of the starts, as that simulator does: the last digit depends on it. */
function metricsOf(jobs: readonly SimulatedJob[], { startSeconds, startOrder }: QueueReplay, processors: number) {
  const lastStart = startSeconds[startOrder.at(-1) ?? 0] ?? 0;
  const available = (lastStart - (jobs[0]?.submittedAtSeconds ?? 0)) * processors;
  const sums: ReplayMetrics = {
    boundedSlowdown: 0,
    meanWaitSeconds: 0,
    meanTurnaroundSeconds: 0,
    utilisation: 0,
    longestWaitSeconds: 0,
  };
  for (const index of startOrder) {
    const { submittedAtSeconds, runSeconds, processors: width } = jobs[index] as SimulatedJob;
    const waitSeconds = (startSeconds[index] as number) - submittedAtSeconds;
    const bounded = Math.max(runSeconds, RLSCHEDULER_PROTOCOL.slowdownBoundSeconds);
    sums.boundedSlowdown += Math.max(1, (waitSeconds + runSeconds) / bounded);
    sums.meanWaitSeconds += waitSeconds;
    sums.meanTurnaroundSeconds += waitSeconds + runSeconds;
    sums.utilisation += (runSeconds * width) / available;
    sums.longestWaitSeconds = Math.max(sums.longestWaitSeconds, waitSeconds);
  }
  sums.boundedSlowdown /= jobs.length;
  sums.meanWaitSeconds /= jobs.length;
  sums.meanTurnaroundSeconds /= jobs.length;
  return sums;
}

function simulatedJob(job: SwfJob, index: number): SimulatedJob {
  return {
    id: `${index}`,
    processors: job.processors,
    requestedSeconds: job.requestedSeconds,
    runSeconds: job.runSeconds,
    submittedAtSeconds: job.submitSeconds,
  };
}
