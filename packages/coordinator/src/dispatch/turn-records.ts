/** What a turn works on and what it leaves: rows as they are decided on, and changes that go with them. */
import type { AttemptName, AttemptState, FailureReason, JobEventData, JobSpec, TaskState, Usage } from '@fog/contract';

export interface TurnTask {
  job: string;
  partition: number;
  state: TaskState;
  classId: string;
  rank: number;
  fence: number;
  parked: boolean;
  notBefore: number | null;
  jobFailures: number;
  nodeFailures: number;
  /** JSON of FailureRecord. */
  failure: string | null;
  acceptedFence: number | null;
  outputs: string | null;
}

export interface TurnAttempt extends AttemptName {
  state: AttemptState;
  node: string;
  startedAt: number | null;
  endedAt: number | null;
  /** JSON of OutcomeRecord. */
  outcome: string | null;
  progress: string | null;
  logBytes: number;
}

/** Why a task failed or ended early. */
export interface FailureRecord {
  reason: FailureReason;
  message: string | null;
  exitCode: number | null;
}

/** How an attempt ended. */
export interface OutcomeRecord extends Partial<FailureRecord> {
  engine?: string;
  usage?: Usage;
}

export interface TurnLog extends AttemptName {
  stream: 'stdout' | 'stderr';
  text: string;
}

/** An entry of a job's stream, in order; logs share the numbers. */
export type StreamEntry = { kind: 'event'; data: JobEventData } | { kind: 'log'; log: TurnLog };

/** By how much the number of tasks in each state changes. */
export type CountChanges = Partial<Record<TaskState, number>>;

export interface StopOrder {
  node: string;
  attempt: AttemptName;
  reason: FailureReason;
}

export interface TurnContext {
  now: number;
  /** In [0, 1). */
  random: () => number;
  /** The specification of a job whose tasks are in this turn. */
  specOf: (job: string) => JobSpec;
}
