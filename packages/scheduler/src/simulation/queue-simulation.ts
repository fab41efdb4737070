/**
 * Replays rigid jobs on P processors: events in the order of time, and at each of them the shipped decision on the
 * queue. Deterministic; nothing is drawn.
 */
import { FogError } from '@fog/contract';
import {
  assertRigidJob,
  NO_MEMORY,
  type QueueDecision,
  type QueueMemory,
  type QueueState,
  type RigidJob,
  type RunningJob,
} from '../queueing/index.ts';

export interface SimulatedJob extends RigidJob {
  /** How long it really takes; the decisions never see it. */
  runSeconds: number;
}

export type SimulatedDecision = (state: QueueState<RigidJob>) => Pick<QueueDecision<RigidJob>, 'starts' | 'memory'>;

export interface QueueSimulation {
  jobs: readonly SimulatedJob[];
  processors: number;
  decide: SimulatedDecision;
  /**
   * Asks after every single arrival and end. Otherwise after all that happen at one time, which is what a scheduler that
   * looks at its queue sees.
   */
  isEventByEvent?: boolean;
}

export interface QueueReplay {
  /** Of each job, as `jobs` has them. */
  startSeconds: Float64Array;
  /** Indices of jobs in the order of their starts. */
  startOrder: Uint32Array;
}

interface Ongoing extends RunningJob {
  endSeconds: number;
}

/**
 * Runs until every job has started. Throws `invalid-request` for jobs that are malformed, not in the order of their
 * submission, or larger than the machine, and `internal` when a decision starts what does not fit or leaves jobs
 * waiting on an idle machine.
 */
export function simulateQueue({ jobs, processors, decide, isEventByEvent = false }: QueueSimulation): QueueReplay {
  assertJobs(jobs, processors);
  const indexOf = new Map(jobs.map(({ id }, index) => [id, index]));
  const startSeconds = new Float64Array(jobs.length);
  const startOrder = new Uint32Array(jobs.length);
  const waiting: SimulatedJob[] = [];
  const running: Ongoing[] = [];
  let memory: QueueMemory = NO_MEMORY;
  let free = processors;
  let arrived = 0;
  let started = 0;
  while (started < jobs.length) {
    const nowSeconds = nextTime(jobs[arrived], running);
    do {
      const arriving = jobs[arrived];
      if (arriving !== undefined && arriving.submittedAtSeconds <= (running[0]?.endSeconds ?? Infinity)) {
        waiting.push(arriving);
        arrived += 1;
      } else {
        free += (running.shift() as Ongoing).processors;
      }
    } while (!isEventByEvent && nextTime(jobs[arrived], running) <= nowSeconds);

    const decision = decide({
      nowSeconds,
      totalProcessors: processors,
      freeProcessors: free,
      waiting,
      running,
      memory,
    });
    memory = decision.memory;
    for (const { job } of decision.starts) {
      const index = indexOf.get(job.id) as number;
      free -= job.processors;
      if (free < 0) throw broken(`job ${job.id} was started without processors for it`);
      waiting.splice(
        waiting.findIndex(({ id }) => id === job.id),
        1,
      );
      enter(running, jobs[index] as SimulatedJob, nowSeconds);
      startSeconds[index] = nowSeconds;
      startOrder[started] = index;
      started += 1;
    }
    if (running.length === 0 && waiting.length > 0 && arrived === jobs.length) {
      throw broken(`${waiting.length} jobs wait on an idle machine`);
    }
  }
  return { startSeconds, startOrder };
}

function nextTime(arriving: SimulatedJob | undefined, running: readonly Ongoing[]): number {
  return Math.min(arriving?.submittedAtSeconds ?? Infinity, running[0]?.endSeconds ?? Infinity);
}

/** Keeps the running jobs in the order of their ends, equal ones as they started. */
function enter(running: Ongoing[], job: SimulatedJob, nowSeconds: number): void {
  const endSeconds = nowSeconds + job.runSeconds;
  const { id, processors, requestedSeconds } = job;
  let low = 0;
  let high = running.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((running[middle] as Ongoing).endSeconds <= endSeconds) low = middle + 1;
    else high = middle;
  }
  running.splice(low, 0, { id, processors, endSeconds, expectedEndSeconds: nowSeconds + requestedSeconds });
}

function assertJobs(jobs: readonly SimulatedJob[], processors: number): void {
  const ids = new Set<string>();
  let last = Number.NEGATIVE_INFINITY;
  for (const job of jobs) {
    assertRigidJob(job);
    const isWell = Number.isFinite(job.runSeconds) && job.runSeconds >= 0 && job.processors <= processors;
    if (!isWell || ids.has(job.id) || job.submittedAtSeconds < last) {
      throw new FogError('invalid-request', `job ${job.id} cannot be replayed on ${processors} processors`, {
        details: { job: { ...job } },
        hint: 'jobs have ids of their own, come in the order of their submission, fit the machine and have a run time',
      });
    }
    ids.add(job.id);
    last = job.submittedAtSeconds;
  }
}

function broken(what: string): FogError {
  return new FogError('internal', `the decision on the queue broke its promise: ${what}`, {
    hint: 'report it with the jobs that were replayed',
  });
}
