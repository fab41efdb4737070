/** What the parts of a turn do to its tasks and attempts. Each step follows the transition tables. */
import type {
  AttemptEvent,
  AttemptName,
  FailureReason,
  JobEventData,
  ResultVerdict,
  TaskEvent,
  Usage,
} from '@fog/contract';
import type { FailureRecord, OutcomeRecord, TurnAttempt, TurnTask } from './turn-records.ts';
import type { TurnRows } from './turn-rows.ts';

export interface TurnSteps {
  rows: Pick<TurnRows, 'task' | 'attempt' | 'attemptsOf'>;
  /** False where the tables have no such transition: then nothing has changed. */
  move(attempt: TurnAttempt, event: AttemptEvent): boolean;
  moveTask(task: TurnTask, event: TaskEvent): boolean;
  event(job: string, data: JobEventData): void;
  /** A claim has leased the task; `isQueued`: it was in the queue of undecided tasks. */
  leased(name: AttemptName, node: { id: string; name: string }, isQueued: boolean): void;
  /** The attempt has moved to its end, and its place is free: as failed, with its result, or needed no more. */
  end(attempt: TurnAttempt, failure: FailureRecord): void;
  succeeded(attempt: TurnAttempt, outcome: OutcomeRecord & { usage: Usage }): void;
  superseded(attempt: TurnAttempt): void;
  /** Its node is to stop it. */
  stop(attempt: TurnAttempt, reason: FailureReason): void;
  stopSiblings(task: TurnTask, except: TurnAttempt | null): void;
  /** The outputs of this attempt are the task's; those of a task that has succeeded are corrected. */
  accepted(task: TurnTask, attempt: TurnAttempt): void;
  afterFailure(task: TurnTask, reason: FailureReason, message: string, exitCode: number | null): void;
  failTask(task: TurnTask, reason: FailureReason, message: string): void;
  /** What is now known of a result. */
  judge(task: TurnTask, fence: number, verdict: ResultVerdict): void;
  /** Its row is to be saved. */
  changed(task: TurnTask): void;
  /** It can be claimed at once. */
  requeued(task: TurnTask): void;
  requeue(task: TurnTask, delayMilliseconds: number): void;
  /** The attempt gives its place up. */
  release(attempt: TurnAttempt): void;
  /** Whether the fate of the task hangs on this attempt. */
  isDecisive(task: TurnTask, attempt: TurnAttempt): boolean;
}
