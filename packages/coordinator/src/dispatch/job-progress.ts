/** How a job follows its tasks. Pure. */
import {
  type FailureReason,
  isTerminal,
  JOB_TRANSITIONS,
  type JobEventData,
  type JobState,
  TASK_STATES,
  type TaskCounts,
  transition,
} from '@fog/contract';
import type { CountChanges } from './turn-records.ts';

/** Why all tasks of a job are ended. */
export type Closing = 'cancelled' | 'total-timeout' | 'dependency-failed';

export interface JobProgress {
  state: JobState;
  counts: TaskCounts;
  taskCount: number;
  expanded: number;
  startedAt: number | null;
  endedAt: number | null;
  /** Why all its tasks are being ended, and by whom. */
  closing: Closing | null;
  /** The principal who cancelled it; the job that it waited for and that did not complete. */
  closedBy: string | null;
  reason: FailureReason | null;
  /** A deployment adds and ends its tasks: it ends only when it is closed. */
  isKept: boolean;
}

/** Applies the changes and moves the job: to running with its first lease, to its end with its last task. */
export function progressJob(
  job: JobProgress,
  changes: CountChanges,
  now: number,
): { job: JobProgress; events: JobEventData[] } {
  const counts = { ...job.counts };
  for (const state of TASK_STATES) counts[state] += changes[state] ?? 0;
  const next: JobProgress = { ...job, counts };
  const events: JobEventData[] = [];
  const isTouched = counts.scheduled + counts.running + counts.succeeded + counts.failed > 0;
  if ((next.state === 'queued' || next.state === 'pending') && isTouched) {
    next.state = transition(JOB_TRANSITIONS, next.state, 'start') ?? next.state;
    next.startedAt = now;
    events.push({ type: 'job.started' });
  }
  const live = counts.queued + counts.scheduled + counts.running;
  const isComplete = next.closing !== null || (!next.isKept && next.expanded === next.taskCount);
  if (!isComplete || live > 0 || isTerminal(JOB_TRANSITIONS, next.state)) return { job: next, events };
  next.endedAt = now;
  events.push(endJob(next));
  return { job: next, events };
}

/** Sets the final state and answers its event. */
function endJob(job: JobProgress): JobEventData {
  const { counts } = job;
  if (job.closing === 'cancelled') {
    job.state = 'cancelled';
    job.reason = 'cancelled';
    return { type: 'job.cancelled', by: job.closedBy ?? '' };
  }
  if (job.closing === 'total-timeout' || (counts.expired > 0 && counts.failed === 0)) {
    job.state = 'expired';
    job.reason = job.closing ?? 'queue-timeout';
    return { type: 'job.expired', reason: job.reason };
  }
  if (job.closing === 'dependency-failed') {
    job.state = 'failed';
    job.reason = 'dependency-failed';
    return { type: 'job.failed', failed: counts.failed, dependency: job.closedBy ?? '' };
  }
  if (counts.failed > 0) {
    job.state = 'failed';
    return { type: 'job.failed', failed: counts.failed };
  }
  job.state = 'completed';
  return { type: 'job.completed' };
}
