/**
 * One turn of the dispatcher: what has to change, decided without I/O.
 *
 *     load the rows that the inputs name -> decide here -> save all changes in the same transaction
 *
 * A turn holds the loaded tasks and attempts, moves them along the transition tables of the contract, and collects
 * what the save writes (changed rows, events, changes of the jobs' counters) and what is sent after the commit.
 * Messages that fit no transition are ignored: they are late, repeated or forged.
 */
import {
  ATTEMPT_TRANSITIONS,
  type AttemptEvent,
  type AttemptName,
  type AttemptReport,
  FAILURE_REASONS,
  type FailureReason,
  type HeldAttempt,
  isLongRunning,
  isTerminal,
  type JobEventData,
  TASK_TRANSITIONS,
  type TaskEvent,
  type TaskState,
  transition,
  type Usage,
} from '@fog/contract';
import { DISPATCH_LIMITS } from '../limits.ts';
import type { Closing } from './job-progress.ts';
import { takesLog } from './log-room.ts';
import { afterReplicaFailure, reconcileOf } from './replica-failure.ts';
import { afterFailure } from './retry.ts';
import { attemptName, FORGOTTEN, failureText, onAttempt, outcomeText, PLACED } from './turn-names.ts';
import { TurnPayments } from './turn-payments.ts';
import type {
  Accepted,
  CountChanges,
  FailureRecord,
  OutcomeRecord,
  StopOrder,
  StreamEntry,
  TurnAttempt,
  TurnContext,
  TurnLog,
  TurnTask,
} from './turn-records.ts';
import { TurnRows } from './turn-rows.ts';
import type { TurnSteps } from './turn-steps.ts';
import { TurnSuspensions } from './turn-suspensions.ts';
import { NO_WITNESS } from './verification/result-proof.ts';
import { TurnVerification } from './verification/turn-verification.ts';

export class Turn {
  readonly rows = new TurnRows();
  readonly changedTasks = new Set<TurnTask>();
  readonly changedAttempts = new Set<TurnAttempt>();
  readonly entries = new Map<string, StreamEntry[]>();
  readonly counts = new Map<string, CountChanges>();
  readonly stops: StopOrder[] = [];
  readonly suspensions: TurnSuspensions;
  /** Digests that a job's accepted results name. */
  readonly blobs: { job: string; digest: string }[] = [];
  readonly requeued: TurnTask[] = [];
  readonly verification: TurnVerification;
  /** Replicas that are placed again, and the nodes that they failed on. */
  readonly avoiding: { task: TurnTask; node: string }[] = [];
  readonly payments = new TurnPayments();
  readonly #released = new Set<TurnAttempt>();
  readonly #context: TurnContext;

  constructor(context: TurnContext) {
    this.#context = context;
    const steps = this.#steps();
    this.verification = new TurnVerification(context, steps);
    this.suspensions = new TurnSuspensions(context, steps, this.verification);
  }

  /** Attempts that have given up their places. One that was lost and came back in the same turn has not. */
  freed(): TurnAttempt[] {
    return [...this.#released].filter((attempt) => !PLACED.includes(attempt.state));
  }

  /** Records a lease that the claim has made. */
  leased(name: AttemptName, node: { id: string; name: string }, { isQueued = true } = {}): void {
    if (isQueued) this.#count(name.job, 'queued', 'scheduled');
    this.event(name.job, { type: 'task.leased', ...onAttempt(name, node.id), nodeName: node.name });
  }

  /** Applies one journal entry of `node`. */
  report(node: string, name: AttemptName, report: AttemptReport, witness = NO_WITNESS): void {
    const attempt = this.rows.attempt(name);
    const task = this.rows.task(name);
    if (attempt === undefined || task === undefined || attempt.node !== node) return;
    switch (report.event) {
      case 'prepare':
      case 'start':
      case 'upload':
        return this.#phase(task, attempt, report.event);
      case 'progress':
      case 'health':
        return this.#note(attempt, report);
      case 'commit':
        return this.verification.commit(task, attempt, report.commitment);
      case 'succeed':
        if (this.verification.mistrust(task, attempt, witness)) return;
        if (this.verification.show(task, attempt, report, witness)) return;
        return this.#succeed(task, attempt, report);
      case 'fail':
        if (this.verification.mistrust(task, attempt, witness)) return;
        return this.#fail(task, attempt, report);
      case 'decline':
        return this.#decline(task, attempt, report.message);
      default:
        return this.suspensions.report(task, attempt, report);
    }
  }

  /** Stores a piece of output, once. */
  log(node: string, log: TurnLog, offset: number, bytes: number, limitBytes: number): void {
    const attempt = this.rows.attempt(log);
    if (attempt === undefined || attempt.node !== node || isTerminal(ATTEMPT_TRANSITIONS, attempt.state)) return;
    const { now, specOf } = this.#context;
    if (!takesLog(attempt, offset, { isKeptRunning: isLongRunning(specOf(log.job)), limitBytes, now })) return;
    attempt.logBytes = offset + bytes;
    this.changedAttempts.add(attempt);
    this.#entries(log.job).push({ kind: 'log', log });
  }

  /** The node was silent for too long: the task is placed again, the attempt may still come back. */
  lose(name: AttemptName): void {
    const attempt = this.rows.attempt(name);
    const task = this.rows.task(name);
    if (attempt === undefined || task === undefined || !this.#move(attempt, 'lose')) return;
    this.#released.add(attempt);
    this.event(name.job, { type: 'attempt.lost', ...onAttempt(name, attempt.node) });
    if (this.verification.fail(task, attempt, { reason: 'node-lost', message: null, exitCode: null })) return;
    const { replace } = this.#context.specOf(task.job).spec.disconnect;
    if (replace && this.#isDecisive(task, attempt)) this.#afterFailure(task, 'node-lost', 'the node is silent', null);
  }

  /** The node is back and still holds the attempt. Answers whether it shall go on. */
  resume(name: AttemptName, held: HeldAttempt['state'] = 'running'): boolean {
    const attempt = this.rows.attempt(name);
    const task = this.rows.task(name);
    if (attempt === undefined || task === undefined) return false;
    if (task.verification !== null) return this.verification.resume(task.verification, attempt);
    if (isTerminal(ATTEMPT_TRANSITIONS, attempt.state) || isTerminal(TASK_TRANSITIONS, task.state)) return false;
    if (attempt.state !== 'lost') return true;
    const reconcile = reconcileOf(this.#context.specOf(task.job), this.#hasPlacedSibling(task, attempt));
    if (reconcile === 'keep-replacement' && this.#hasPlacedSibling(task, attempt)) {
      this.#move(attempt, 'supersede');
      this.#superseded(attempt);
      return false;
    }
    this.#move(attempt, held === 'suspended' ? 'suspend' : 'start');
    if (reconcile === 'keep-original') this.#keepOriginal(task, attempt);
    this.event(name.job, { type: 'attempt.resumed', ...onAttempt(name, attempt.node) });
    if (task.state === 'queued' && (task.fence === attempt.fence || reconcile === 'keep-original')) {
      this.#moveTask(task, 'resume');
      task.parked = false;
      task.notBefore = null;
    }
    return true;
  }

  /**
   * The node is back without the attempt (`node-lost`), will never be back (`removed`), or the lease could not be handed
   * over (`undelivered`).
   */
  forgotten(name: AttemptName, why: keyof typeof FORGOTTEN): void {
    const attempt = this.rows.attempt(name);
    const task = this.rows.task(name);
    if (attempt === undefined || task === undefined || !this.#move(attempt, 'fail')) return;
    const message = FORGOTTEN[why];
    const failure: FailureRecord = { reason: 'node-lost', message, exitCode: null };
    this.#end(attempt, failure);
    if (this.verification.fail(task, attempt, why === 'undelivered' ? null : failure)) return;
    if (!this.#isDecisive(task, attempt)) return;
    if (why === 'undelivered') this.#requeue(task, 0);
    else this.#afterFailure(task, 'node-lost', message, null);
  }

  /** A lease that cannot be given for a reason of the job, such as a deleted secret. */
  failLease(name: AttemptName, reason: FailureReason, message: string): void {
    const attempt = this.rows.attempt(name);
    const task = this.rows.task(name);
    if (attempt === undefined || task === undefined || !this.#move(attempt, 'fail')) return;
    const failure: FailureRecord = { reason, message, exitCode: null };
    this.#end(attempt, failure);
    if (this.verification.failLease(task, attempt, failure)) return;
    if (this.#isDecisive(task, attempt)) this.#afterFailure(task, reason, message, null);
  }

  /** The task has not found a node in time. */
  expire(name: { job: string; partition: number }): void {
    const task = this.rows.task(name);
    if (task?.state !== 'queued' || task.fence > 0 || !this.#moveTask(task, 'expire')) return;
    task.failure = failureText({ reason: 'queue-timeout', message: null, exitCode: null });
    this.event(task.job, { type: 'task.expired', partition: task.partition, reason: 'queue-timeout' });
  }

  /** The job is being closed: ends the task and all its attempts. */
  close(name: { job: string; partition: number }, why: Closing): void {
    const task = this.rows.task(name);
    if (task === undefined || !this.#moveTask(task, why === 'total-timeout' ? 'expire' : 'cancel')) return;
    const failure = { reason: why, message: null, exitCode: null };
    task.failure = failureText(failure);
    this.verification.close(task);
    const { partition } = task;
    if (why === 'total-timeout') this.event(task.job, { type: 'task.expired', partition, reason: why });
    else this.event(task.job, { type: 'task.cancelled', partition });
    for (const attempt of this.rows.attemptsOf(name)) {
      if (!this.#move(attempt, 'cancel')) continue;
      if (why === 'cancelled') this.payments.interrupted(task, attempt);
      this.#released.add(attempt);
      attempt.endedAt = this.#context.now;
      attempt.outcome = failureText(failure);
      this.stops.push({ node: attempt.node, attempt: attemptName(attempt), reason: why });
    }
  }

  event(job: string, data: JobEventData): void {
    this.#entries(job).push({ kind: 'event', data });
  }

  #phase(task: TurnTask, attempt: TurnAttempt, event: 'prepare' | 'start' | 'upload'): void {
    if (!this.#move(attempt, event)) return;
    const type = ({ prepare: 'task.preparing', start: 'task.started', upload: 'task.uploading' } as const)[event];
    if (event === 'start') attempt.startedAt ??= this.#context.now;
    if (task.fence === attempt.fence && task.state === 'scheduled' && event !== 'prepare')
      this.#moveTask(task, 'start');
    this.event(task.job, { type, ...onAttempt(attempt, attempt.node) });
  }

  /** What an attempt says of itself while it goes on. */
  #note(attempt: TurnAttempt, { event, ...said }: Extract<AttemptReport, { event: 'progress' | 'health' }>): void {
    if (isTerminal(ATTEMPT_TRANSITIONS, attempt.state)) return;
    attempt[event] = JSON.stringify(said);
    this.changedAttempts.add(attempt);
    const on = onAttempt(attempt, attempt.node);
    if ('fraction' in said) this.event(attempt.job, { type: 'task.progress', ...on, ...said });
    else this.event(attempt.job, { type: 'attempt.health', ...on, ...said });
  }

  #succeed(task: TurnTask, attempt: TurnAttempt, report: Extract<AttemptReport, { event: 'succeed' }>): void {
    if (transition(ATTEMPT_TRANSITIONS, attempt.state, 'succeed') === null) return;
    if (isTerminal(TASK_TRANSITIONS, task.state)) {
      if (this.#move(attempt, 'supersede')) this.#superseded(attempt);
      return;
    }
    if (isLongRunning(this.#context.specOf(task.job))) {
      const { engine, usage, logBytes } = report;
      const message = FAILURE_REASONS.ended.meaning;
      const ended = { event: 'fail', reason: 'ended', message, exitCode: 0, engine, usage, logBytes } as const;
      return this.#fail(task, attempt, ended);
    }
    if (!this.#move(attempt, 'succeed')) return;
    const { outputs, engine, usage } = report;
    this.#succeeded(attempt, { engine, usage });
    for (const { digest } of outputs) this.blobs.push({ job: task.job, digest });
    this.#accepted(task, attempt, { outputs, engine, usage });
  }

  #succeeded(attempt: TurnAttempt, outcome: OutcomeRecord & { usage: Usage }): void {
    this.#released.add(attempt);
    attempt.endedAt = this.#context.now;
    // The start may be told together with the end.
    const began = Math.round(this.#context.now - outcome.usage.wallMilliseconds);
    attempt.startedAt = Math.min(attempt.startedAt ?? began, began);
    [attempt.outcome, attempt.used] = [outcomeText(outcome), outcome.usage];
    for (const { digest } of outcome.outputs ?? []) this.blobs.push({ job: attempt.job, digest });
  }

  /** A task that has succeeded before is corrected. */
  #accepted(task: TurnTask, attempt: TurnAttempt, { outputs, engine, usage }: Accepted): void {
    const isFirst = this.#moveTask(task, 'succeed');
    this.payments.judge(task, attempt.fence, 'alone');
    task.acceptedFence = attempt.fence;
    task.outputs = outputs.length === 0 ? null : JSON.stringify(outputs);
    this.changedTasks.add(task);
    const on = onAttempt(attempt, attempt.node);
    const { wallMilliseconds } = usage;
    if (isFirst) this.event(task.job, { type: 'task.succeeded', ...on, engine, wallMilliseconds, outputs });
    else this.event(task.job, { type: 'task.corrected', ...on, outputs });
    this.#stopSiblings(task, attempt, 'superseded');
  }

  #fail(task: TurnTask, attempt: TurnAttempt, report: Extract<AttemptReport, { event: 'fail' }>): void {
    if (!this.#move(attempt, 'fail')) return;
    const { reason, message, exitCode, engine, usage } = report;
    this.#end(attempt, { reason, message, exitCode }, { engine, usage });
    if (this.verification.fail(task, attempt, { reason, message, exitCode })) return;
    if (this.#isDecisive(task, attempt)) this.#afterFailure(task, reason, message, exitCode);
  }

  #decline(task: TurnTask, attempt: TurnAttempt, message: string): void {
    if (!this.#move(attempt, 'decline')) return;
    this.#released.add(attempt);
    attempt.endedAt = this.#context.now;
    attempt.outcome = outcomeText({ message });
    this.event(task.job, { type: 'task.declined', ...onAttempt(attempt, attempt.node), message });
    if (this.verification.fail(task, attempt, null, DISPATCH_LIMITS.declinePauseMilliseconds)) return;
    if (!this.#isDecisive(task, attempt)) return;
    if (isLongRunning(this.#context.specOf(task.job))) return this.#placeAgain(task, 'node');
    // It burns no attempt of the user, but a task that every node declines must end some day.
    task.nodeFailures += 1;
    if (task.nodeFailures >= DISPATCH_LIMITS.declines) this.#failTask(task, 'rejected', message, null);
    else this.#requeue(task, DISPATCH_LIMITS.declinePauseMilliseconds);
  }

  #afterFailure(task: TurnTask, reason: FailureReason, message: string, exitCode: number | null): void {
    const spec = this.#context.specOf(task.job);
    if (isLongRunning(spec)) return this.#placeAgain(task, FAILURE_REASONS[reason].blame);
    const after = afterFailure(spec.spec.retry, task, { reason, exitCode }, this.#context.random());
    task.jobFailures = after.failures.jobFailures;
    task.nodeFailures = after.failures.nodeFailures;
    if (after.next === 'retry') {
      const node = after.avoidsNode ? this.rows.attempt(task)?.node : undefined;
      if (node !== undefined) this.avoiding.push({ task, node });
      this.#requeue(task, after.delayMilliseconds);
    } else this.#failTask(task, after.reason, message, exitCode);
  }

  /** A replica is kept running: whatever ended its attempt, another follows, rather on another node. */
  #placeAgain(task: TurnTask, blame: 'job' | 'node'): void {
    const last = this.rows.attempt(task);
    const ranMilliseconds = last?.startedAt == null ? 0 : this.#context.now - last.startedAt;
    const after = afterReplicaFailure(task, blame, ranMilliseconds);
    task.jobFailures = after.failures.jobFailures;
    task.nodeFailures = after.failures.nodeFailures;
    if (last !== undefined) this.avoiding.push({ task, node: last.node });
    this.#requeue(task, after.delayMilliseconds);
  }

  #requeue(task: TurnTask, delayMilliseconds: number): void {
    if (!this.#moveTask(task, 'requeue')) return;
    task.parked = delayMilliseconds > 0;
    task.notBefore = task.parked ? this.#context.now + delayMilliseconds : null;
    if (!task.parked && task.suspendedAt === null) this.requeued.push(task);
    const retryAtMilliseconds = task.notBefore ?? this.#context.now;
    this.event(task.job, { type: 'task.requeued', partition: task.partition, retryAtMilliseconds });
  }

  #failTask(task: TurnTask, reason: FailureReason, message: string, exitCode: number | null): void {
    if (!this.#moveTask(task, 'fail')) return;
    task.failure = failureText({ reason, message, exitCode });
    this.event(task.job, { type: 'task.failed', partition: task.partition, reason, message });
    this.#stopSiblings(task, null, 'superseded');
  }

  /** The attempt goes on instead of what replaces it. */
  #keepOriginal(task: TurnTask, attempt: TurnAttempt): void {
    for (const sibling of this.rows.attemptsOf(task)) {
      if (sibling === attempt || !PLACED.includes(sibling.state) || !this.#move(sibling, 'supersede')) continue;
      this.#superseded(sibling);
      this.stops.push({ node: sibling.node, attempt: attemptName(sibling), reason: 'superseded' });
    }
    if (task.state === 'scheduled') this.#moveTask(task, 'start');
  }

  /**
   * Whether the fate of the task hangs on this attempt. It does not while a newer one or the original is at it, nor when
   * the task waits for another because this one was lost: that failure has been counted.
   */
  #isDecisive(task: TurnTask, attempt: TurnAttempt): boolean {
    if (task.state !== 'scheduled' && task.state !== 'running') return false;
    return task.fence === attempt.fence || !this.#hasPlacedSibling(task, attempt);
  }

  /** Whether another attempt of the task is at it, as far as is known. */
  #hasPlacedSibling(task: TurnTask, attempt: TurnAttempt): boolean {
    const siblings = this.rows.attemptsOf(task);
    return siblings.some((sibling) => sibling !== attempt && PLACED.includes(sibling.state));
  }

  #stopSiblings(task: TurnTask, except: TurnAttempt | null, reason: FailureReason): void {
    for (const sibling of this.rows.attemptsOf(task)) {
      if (sibling === except || !this.#move(sibling, 'supersede')) continue;
      this.#superseded(sibling);
      this.stops.push({ node: sibling.node, attempt: attemptName(sibling), reason });
    }
  }

  #superseded(attempt: TurnAttempt): void {
    this.#released.add(attempt);
    attempt.endedAt = this.#context.now;
    attempt.outcome = outcomeText({ reason: 'superseded' });
    this.event(attempt.job, { type: 'attempt.superseded', ...onAttempt(attempt, attempt.node) });
  }

  #end(attempt: TurnAttempt, failure: FailureRecord, ran: Pick<OutcomeRecord, 'engine' | 'usage'> = {}): void {
    this.#released.add(attempt);
    attempt.endedAt = this.#context.now;
    attempt.outcome = outcomeText({ ...failure, ...ran });
    const { reason, exitCode } = failure;
    const message = failure.message ?? '';
    this.event(attempt.job, { type: 'attempt.failed', ...onAttempt(attempt, attempt.node), reason, message, exitCode });
  }

  #move(attempt: TurnAttempt, event: AttemptEvent): boolean {
    const next = transition(ATTEMPT_TRANSITIONS, attempt.state, event);
    if (next === null) return false;
    attempt.state = next;
    this.changedAttempts.add(attempt);
    return true;
  }

  #moveTask(task: TurnTask, event: TaskEvent): boolean {
    const next = transition(TASK_TRANSITIONS, task.state, event);
    if (next === null) return false;
    this.#count(task.job, task.state, next);
    task.state = next;
    this.changedTasks.add(task);
    if (isTerminal(TASK_TRANSITIONS, next)) this.suspensions.ended(task);
    return true;
  }

  #count(job: string, from: TaskState, to: TaskState): void {
    const changes = this.counts.getOrInsertComputed(job, () => ({}));
    changes[from] = (changes[from] ?? 0) - 1;
    changes[to] = (changes[to] ?? 0) + 1;
  }

  #entries(job: string): StreamEntry[] {
    return this.entries.getOrInsertComputed(job, () => []);
  }

  #steps(): TurnSteps {
    return {
      rows: this.rows,
      move: (attempt, event) => this.#move(attempt, event),
      moveTask: (task, event) => this.#moveTask(task, event),
      event: (job, data) => this.event(job, data),
      leased: (name, node, isQueued) => this.leased(name, node, { isQueued }),
      end: (attempt, failure) => this.#end(attempt, failure),
      succeeded: (attempt, outcome) => this.#succeeded(attempt, outcome),
      superseded: (attempt) => this.#superseded(attempt),
      stop: (attempt, reason) => void this.stops.push({ node: attempt.node, attempt: attemptName(attempt), reason }),
      stopSiblings: (task, except) => this.#stopSiblings(task, except, 'superseded'),
      accepted: (task, attempt) => this.#accepted(task, attempt, JSON.parse(attempt.outcome ?? '{}') as Accepted),
      afterFailure: (task, reason, message, exitCode) => this.#afterFailure(task, reason, message, exitCode),
      failTask: (task, reason, message) => this.#failTask(task, reason, message, null),
      judge: (task, fence, verdict) => this.payments.judge(task, fence, verdict),
      changed: (task) => void this.changedTasks.add(task),
      requeued: (task) => void this.requeued.push(task),
      requeue: (task, delayMilliseconds) => this.#requeue(task, delayMilliseconds),
      release: (attempt) => void this.#released.add(attempt),
      isDecisive: (task, attempt) => this.#isDecisive(task, attempt),
    };
  }
}
