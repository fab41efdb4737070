/** Workload logs on a machine: which of their jobs can be replayed, and how one policy did with them. */
import { FogError } from '@fog/contract';
import { decideQueue } from '../queueing/index.ts';
import { SIMULATION_LIMITS } from './limits.ts';
import { queuePolicyOf } from './policy-names.ts';
import { type SimulatedJob, simulateQueue } from './queue-simulation.ts';
import { unavailable } from './report/figures.ts';
import type { TimedRun } from './report/report.ts';
import type { LeftOutWork, SimulatedMachine } from './report/simulated-run.ts';
import type { SwfJob, SwfLog } from './swf.ts';

export interface LogWindow {
  /** Of the jobs that can be replayed, as the log has them. */
  start: number;
  /** Null means all that follow. */
  jobs: number | null;
  /** What the jobs ask for, in parts of what the machine can do while they come; null leaves the times as they are. */
  loadRatio: number | null;
}

export interface ReplayableLog {
  processors: number;
  /** In the order of their submission. */
  jobs: LogJob[];
  /** Of the whole log, by reason. */
  leftOut: LeftOutWork[];
}

export interface LogJob extends SimulatedJob {
  /** Of the log. */
  number: number;
}

/**
 * The window of a log for a machine. Throws `invalid-request` when the log tells no machine and none is given, for a
 * window without jobs or with too many, and for a load that is none.
 */
export function replayableLog(log: SwfLog, givenProcessors: number | null, window: LogWindow): ReplayableLog {
  const processors = givenProcessors ?? log.processors;
  if (processors === null) {
    throw new FogError('invalid-request', 'the header of the log tells neither MaxProcs nor MaxNodes', {
      hint: 'give the machine: --nodes N --cores C',
    });
  }
  if (!Number.isSafeInteger(processors) || processors < 1 || processors > SIMULATION_LIMITS.processors) {
    throw new FogError('invalid-request', `a machine of ${processors} processors`, {
      hint: `it has 1 to ${SIMULATION_LIMITS.processors}`,
    });
  }
  const counts = new Map<string, number>();
  const fitting = log.jobs.filter((job) => {
    const reason = obstacleOf(job, processors);
    if (reason !== null) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    return reason === null;
  });
  const { start, jobs } = window;
  const chosen = fitting.slice(start, jobs === null ? undefined : start + jobs);
  if (chosen.length === 0 && fitting.length > 0) {
    throw new FogError('invalid-request', `the log has no job from number ${start} on`, {
      hint: `it has ${fitting.length} that can be replayed, counted from 0`,
    });
  }
  if (chosen.length > SIMULATION_LIMITS.simulatedJobs) {
    throw new FogError('invalid-request', `${chosen.length} jobs in one simulation`, {
      hint: `at most ${SIMULATION_LIMITS.simulatedJobs}: choose some with --start and --jobs`,
    });
  }
  const simulated = chosen.map(logJob).sort((one, other) => one.submittedAtSeconds - other.submittedAtSeconds);
  return {
    processors,
    jobs: window.loadRatio === null ? simulated : atLoad(simulated, processors, window.loadRatio),
    leftOut: Array.from(counts, ([reason, count]) => ({ reason, count })),
  };
}

/** Throws as `queuePolicyOf` and `simulateQueue` do. */
export function runLog(
  { processors, jobs, leftOut }: ReplayableLog,
  name: string,
  agingBoundSeconds: number,
): TimedRun {
  const policy = queuePolicyOf(name, agingBoundSeconds);
  const { startSeconds } = simulateQueue({ jobs, processors, decide: (state) => decideQueue(policy, state) });
  return {
    policy: name,
    work: jobs.map(({ number, submittedAtSeconds, runSeconds, processors: width }, index) => ({
      name: `job ${number}`,
      submittedAtSeconds,
      startSeconds: startSeconds[index] as number,
      endSeconds: (startSeconds[index] as number) + runSeconds,
      processors: width,
      memoryMebibytes: null,
      gpus: 0,
      places: null,
    })),
    leftOut,
    machine: logMachine(processors),
    makespanRatio: unavailable('the shortest makespan is only known of workflows'),
  };
}

export function logMachine(processors: number): SimulatedMachine {
  return {
    processors,
    memoryMebibytes: unavailable('a log does not tell the memory of its machine'),
    gpus: unavailable('a log knows no GPUs'),
  };
}

function obstacleOf({ runSeconds, processors }: SwfJob, machine: number): string | null {
  if (runSeconds <= 0) return 'without a run time';
  if (processors <= 0) return 'without processors';
  return processors > machine ? 'larger than the machine' : null;
}

function logJob(job: SwfJob, index: number): LogJob {
  const { number, processors, requestedSeconds, runSeconds, submitSeconds: submittedAtSeconds } = job;
  return { id: `${index}`, number, processors, requestedSeconds, runSeconds, submittedAtSeconds };
}

/** Stretches the time between arrivals, so that the work asked for is that share of what the machine can do meanwhile. */
function atLoad(jobs: readonly LogJob[], processors: number, loadRatio: number): LogJob[] {
  const first = jobs[0]?.submittedAtSeconds ?? 0;
  const spanSeconds = (jobs.at(-1)?.submittedAtSeconds ?? 0) - first;
  if (!(loadRatio > 0) || loadRatio > SIMULATION_LIMITS.loadRatio || spanSeconds === 0) {
    const what = spanSeconds === 0 ? 'jobs that all come at once have no load' : `a load of ${loadRatio}`;
    throw new FogError('invalid-request', what, {
      hint: `the load is above 0 and at most ${SIMULATION_LIMITS.loadRatio}; it stretches the time between arrivals`,
    });
  }
  const work = jobs.reduce((sum, job) => sum + job.processors * job.runSeconds, 0);
  const stretch = work / (processors * spanSeconds * loadRatio);
  return jobs.map((job) => ({ ...job, submittedAtSeconds: first + (job.submittedAtSeconds - first) * stretch }));
}
