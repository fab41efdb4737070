/** What a turn works on and what it leaves: rows as they are decided on, and changes that go with them. */
import type {
  AttemptName,
  AttemptState,
  FailureReason,
  JobEventData,
  JobSpec,
  ResultVerdict,
  TaskCheckpoint,
  TaskOutput,
  TaskState,
  Usage,
  VerificationPolicy,
} from '@fog/contract';
import type { VerificationRecord } from './verification/record.ts';

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
  /** Since when it is suspended. */
  suspendedAt: number | null;
  checkpoint: TaskCheckpoint | null;
  /** Null where nothing is verified. */
  verification: VerificationRecord | null;
  /** It is decided, and wants another replica. */
  reverifying: boolean;
}

export interface TurnAttempt extends AttemptName {
  state: AttemptState;
  node: string;
  startedAt: number | null;
  endedAt: number | null;
  /** JSON of OutcomeRecord. */
  outcome: string | null;
  /** What the outcome says it has used, where this turn was told of it. */
  used?: Usage;
  progress: string | null;
  /** JSON of HealthReport. */
  health: string | null;
  logBytes: number;
  /** Micro-FOG for a slice, and who gets it; null where nobody pays. */
  price: number | null;
  payee: string | null;
}

/** A result of a task, and what was found of it. */
export interface JudgedAttempt {
  attempt: TurnAttempt | undefined;
  verdict: ResultVerdict;
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
  /** Of a verified task: what its node has shown. */
  outputs?: TaskOutput[];
  digest?: string;
  /** Of its node over the digest. */
  signature?: string;
}

/** What is kept of a result that counts. */
export type Accepted = Required<Pick<OutcomeRecord, 'outputs' | 'engine' | 'usage'>>;

/** Of a stored outcome (JSON of OutcomeRecord) why its attempt failed, for people; null where it tells no failure. */
export function failureText(outcome: string | null): string | null {
  if (outcome === null) return null;
  const { reason, message } = JSON.parse(outcome) as OutcomeRecord;
  return [reason, message].filter((part) => part).join(': ') || null;
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
  /** Since when agents could be heard; in the future while they reconnect. */
  listeningSince: number;
  /** In [0, 1). */
  random: () => number;
  /** The specification of a job whose tasks are in this turn. */
  specOf: (job: string) => JobSpec;
  submitterOf: (job: string) => string;
  /** Null where nothing is verified. */
  policyOf: (job: string) => VerificationPolicy | null;
  /** Whether the job is a hidden run of a known answer. */
  isCheck: (job: string) => boolean;
  /** What was at risk with each of these results, in micro-FOG; 0 where nobody pays. */
  valuesOf: (job: string, results: readonly JudgedAttempt[]) => bigint[];
}
