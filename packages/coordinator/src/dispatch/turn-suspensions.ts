/**
 * The part of a turn that decides on checkpoints, yields, departures and suspensions. Pure.
 *
 * A task has one checkpoint, the last that was taken over. It is taken from an attempt whose fence is not below that of
 * the checkpoint, while no newer attempt of the task is at it: of two attempts that run at the same time because a node
 * was thought lost, the older must not take back what the newer has gone on from.
 *
 * A suspended task is not placed: while it is queued it is parked. Its attempts are ordered to stand still; one whose
 * node did not hear it is reminded when the node comes back.
 *
 * An attempt that is told to leave yields. That it was told stands in memory alone: after a crash of the coordinator it
 * goes on if its node had not heard it, and whoever wanted its place asks again.
 */
import {
  ATTEMPT_TRANSITIONS,
  type AttemptName,
  type AttemptReport,
  type AttemptState,
  type Checkpoint,
  DEFAULT_KEEP_LEASE,
  type HeldAttempt,
  isLongRunning,
  isTerminal,
  type JobSpec,
  parseDuration,
  TASK_TRANSITIONS,
  YIELD_REASONS,
  type YieldReason,
} from '@fog/contract';
import { DISPATCH_LIMITS } from '../limits.ts';
import type { DispatcherInput } from './inputs.ts';
import type { Departure } from './sessions.ts';
import { attemptName, onAttempt, outcomeText, PLACED } from './turn-names.ts';
import type { TurnAttempt, TurnContext, TurnTask } from './turn-records.ts';
import type { TurnSteps } from './turn-steps.ts';
import type { TurnVerification } from './verification/turn-verification.ts';

/** What the node of an attempt is told after the commit. */
export type SuspensionOrder =
  | { type: 'suspend'; node: string; attempt: AttemptName; keepLeaseMilliseconds: number }
  | { type: 'resume'; node: string; attempt: AttemptName };

/** An attempt that is to give up its place. */
export interface DepartureOrder extends Departure {
  node: string;
  attempt: AttemptName;
  task: TurnTask;
}

/** At work: what has run goes on to its report. */
const AT_WORK: readonly AttemptState[] = ['leased', 'preparing', 'running', 'suspended'];

type TaskName = { job: string; partition: number };
type Report = Extract<AttemptReport, { event: 'suspend' | 'resume' | 'checkpoint' | 'yield' }>;

export class TurnSuspensions {
  readonly orders: SuspensionOrder[] = [];
  readonly departures: DepartureOrder[] = [];
  /** Tasks that were moved, and the nodes on which they are to go on. */
  readonly preferring: { task: TurnTask; node: string }[] = [];
  /** Why attempts have given up their places. */
  readonly yields: YieldReason[] = [];
  readonly changedSuspensions = new Set<TurnTask>();
  /** With the checkpoint that the task had when it was loaded. */
  readonly changedCheckpoints = new Map<TurnTask, TurnTask['checkpoint']>();
  readonly #context: Pick<TurnContext, 'now' | 'specOf'>;
  readonly #turn: TurnSteps;
  readonly #verification: Pick<TurnVerification, 'fail'>;

  constructor(
    context: Pick<TurnContext, 'now' | 'specOf'>,
    turn: TurnSteps,
    verification: Pick<TurnVerification, 'fail'>,
  ) {
    this.#context = context;
    this.#turn = turn;
    this.#verification = verification;
  }

  /** The task is not placed from now on, and what runs of it is frozen. `by` is who asked for this task alone. */
  suspend(name: TaskName, by: string | null): void {
    const task = this.#turn.rows.task(name);
    if (task === undefined || task.suspendedAt !== null || isTerminal(TASK_TRANSITIONS, task.state)) return;
    task.parked = task.state === 'queued';
    this.#change(task, this.#context.now);
    if (by !== null) this.#turn.event(task.job, { type: 'task.suspended', partition: task.partition, by });
  }

  /** The opposite. */
  unsuspend(name: TaskName, by: string | null): void {
    const task = this.#turn.rows.task(name);
    if (task === undefined || task.suspendedAt === null || isTerminal(TASK_TRANSITIONS, task.state)) return;
    task.parked = false;
    this.#change(task, null);
    if (task.state === 'queued') this.#turn.requeued(task);
    if (by !== null) this.#turn.event(task.job, { type: 'task.resumed', partition: task.partition, by });
  }

  /** The attempt is to give up its place. */
  leave({ name, reason, target = null }: Extract<DispatcherInput, { kind: 'yield' }>): void {
    const attempt = this.#turn.rows.attempt(name);
    const task = this.#turn.rows.task(name);
    if (attempt === undefined || task === undefined || isTerminal(TASK_TRANSITIONS, task.state)) return;
    if (!AT_WORK.includes(attempt.state)) return;
    const until = this.#context.now + departureMilliseconds(this.#context.specOf(task.job));
    this.departures.push({ node: attempt.node, attempt: attemptName(attempt), task, reason, target, until });
  }

  /** The attempt has given up its place so that its task goes on at `node`; null: anywhere. */
  prefer(name: AttemptName, node: string | null): void {
    const task = this.#turn.rows.task(name);
    // The replicas of a verified task go where verification says.
    if (node === null || task?.state !== 'queued' || task.verification !== null) return;
    this.preferring.push({ task, node });
  }

  /** The node is back with the attempt, and may not have heard what was ordered meanwhile. */
  remind(name: AttemptName, held: HeldAttempt['state']): void {
    const attempt = this.#turn.rows.attempt(name);
    const task = this.#turn.rows.task(name);
    if (attempt === undefined || task === undefined) return;
    if (task.suspendedAt !== null || attempt.state === 'suspended' || held === 'suspended') this.#order(task, attempt);
  }

  report(task: TurnTask, attempt: TurnAttempt, report: Report): void {
    switch (report.event) {
      case 'suspend':
      case 'resume': {
        if (!this.#turn.move(attempt, report.event)) return;
        const type = report.event === 'suspend' ? 'attempt.suspended' : 'attempt.resumed';
        return this.#turn.event(attempt.job, { type, ...onAttempt(attempt, attempt.node) });
      }
      case 'checkpoint':
        if (!isTerminal(ATTEMPT_TRANSITIONS, attempt.state)) this.#takeCheckpoint(task, attempt, report);
        return;
      case 'yield':
        return this.#yield(task, attempt, report);
    }
  }

  /** Nobody goes on from the checkpoint of a task that has ended. */
  ended(task: TurnTask): void {
    if (task.checkpoint !== null) this.#changeCheckpoint(task, null);
  }

  #yield(task: TurnTask, attempt: TurnAttempt, report: Extract<Report, { event: 'yield' }>): void {
    const { now } = this.#context;
    if (!this.#turn.move(attempt, 'yield')) return;
    const { reason, checkpoint, engine, usage } = report;
    this.yields.push(reason);
    this.#turn.release(attempt);
    attempt.endedAt = now;
    attempt.outcome = outcomeText({ message: YIELD_REASONS[reason], engine, usage });
    if (checkpoint !== null) this.#takeCheckpoint(task, attempt, checkpoint);
    this.#turn.event(task.job, { type: 'task.yielded', ...onAttempt(attempt, attempt.node), reason });
    const pause = yieldPauseMilliseconds(attempt.startedAt, now);
    if (this.#verification.fail(task, attempt, null, pause) || !this.#turn.isDecisive(task, attempt)) return;
    const isKept = isLongRunning(this.#context.specOf(task.job));
    if (isKept || task.fence < DISPATCH_LIMITS.leasesPerTask) return this.#turn.requeue(task, pause);
    const blamed = reason === 'exit-85' ? 'exit-code' : 'too-many-node-failures';
    this.#turn.failTask(task, blamed, `the task has given up its place after ${task.fence} leases`);
  }

  #takeCheckpoint(task: TurnTask, attempt: TurnAttempt, { manifest, bytes, files }: Checkpoint): void {
    const { now, specOf } = this.#context;
    if (isTerminal(TASK_TRANSITIONS, task.state) || specOf(task.job).spec.task.checkpoint === undefined) return;
    if (!takesCheckpoint(task, attempt, this.#turn.rows.attemptsOf(task))) return;
    this.#changeCheckpoint(task, { manifest, bytes, files, fence: attempt.fence, at: now });
    const data = { checkpoint: { manifest, bytes, files } };
    this.#turn.event(task.job, { type: 'task.checkpointed', ...onAttempt(attempt, attempt.node), ...data });
  }

  #changeCheckpoint(task: TurnTask, checkpoint: TurnTask['checkpoint']): void {
    if (!this.changedCheckpoints.has(task)) this.changedCheckpoints.set(task, task.checkpoint);
    task.checkpoint = checkpoint;
  }

  #change(task: TurnTask, suspendedAt: number | null): void {
    task.suspendedAt = suspendedAt;
    this.changedSuspensions.add(task);
    for (const attempt of this.#turn.rows.attemptsOf(task)) {
      if (PLACED.includes(attempt.state)) this.#order(task, attempt);
    }
  }

  #order(task: TurnTask, attempt: TurnAttempt): void {
    const { now, specOf } = this.#context;
    this.orders.push(suspensionOrder(task, attempt, specOf(task.job), now));
  }
}

/** How long an attempt has from being told to leave to its report. */
function departureMilliseconds({ spec }: JobSpec): number {
  const {
    departureMilliseconds: bare,
    departureGraceMilliseconds: longest,
    lastCheckpointMilliseconds,
  } = DISPATCH_LIMITS;
  const { checkpoint } = spec.task;
  return checkpoint === undefined
    ? bare
    : Math.min(parseDuration(checkpoint.grace), longest) + lastCheckpointMilliseconds;
}

/** Whether a checkpoint of this attempt replaces the one that the task has. */
export function takesCheckpoint(
  task: Pick<TurnTask, 'checkpoint'>,
  attempt: Pick<TurnAttempt, 'fence'>,
  siblings: readonly Pick<TurnAttempt, 'fence' | 'state'>[],
): boolean {
  if (attempt.fence < (task.checkpoint?.fence ?? 0)) return false;
  return !siblings.some((sibling) => sibling.fence > attempt.fence && PLACED.includes(sibling.state));
}

/** What makes the node do with the attempt what is asked of its task. */
export function suspensionOrder(
  { suspendedAt }: Pick<TurnTask, 'suspendedAt'>,
  attempt: AttemptName & { node: string },
  { spec }: JobSpec,
  now: number,
): SuspensionOrder {
  const to = { node: attempt.node, attempt: attemptName(attempt) };
  if (suspendedAt === null) return { type: 'resume', ...to };
  const keepLease = parseDuration(spec.suspend?.keepLease ?? DEFAULT_KEEP_LEASE);
  const left = Math.min(keepLease, Math.max(0, suspendedAt + keepLease - now));
  return { type: 'suspend', ...to, keepLeaseMilliseconds: left };
}

/** A task waits only where it would else be leased in a loop without a pause, whatever its nodes say. */
function yieldPauseMilliseconds(startedAt: number | null, now: number): number {
  const { yieldPauseMilliseconds: pause } = DISPATCH_LIMITS;
  return startedAt !== null && now - startedAt >= pause ? 0 : pause;
}

/** One frame tells all attempts of a node that are told the same. */
export function suspensionFrames(
  orders: readonly SuspensionOrder[],
): { node: string; frame: string; jobs: string[] }[] {
  const groups = Map.groupBy(orders, (order) => {
    return `${order.node} ${order.type === 'suspend' ? order.keepLeaseMilliseconds : 'resume'}`;
  });
  return [...groups.values()].map((group) => {
    const { node, attempt: _, ...kind } = group[0] as SuspensionOrder;
    const attempts = group.map(({ attempt }) => attempt);
    return { node, frame: JSON.stringify({ ...kind, attempts }), jobs: attempts.map(({ job }) => job) };
  });
}
