/**
 * The life of a job, a task and an attempt, as pure transition tables.
 *
 *     job      pending -> queued -> running -> completed | failed | cancelled | expired
 *     task     queued -> scheduled -> running -> succeeded | failed | cancelled | expired
 *                 ^------- requeue, resume -----|
 *     attempt  leased -> preparing -> running -> uploading -> valid | failed | cancelled
 *                 \-> declined       ^  \-> suspended -> running | yielded
 *                                    |-- lost <- any of these, until the node returns (or valid | superseded)
 *              of a verified task: running -> committed -> revealed -> valid | confirmed | invalid | inconclusive,
 *                 and what was valid or confirmed may be found invalid later
 *
 * An attempt yields when it gives up its place without having failed: its task goes on from its checkpoint.
 *
 * A job is what the user asked for, a task one partition of it, an attempt one task on one node under one fence.
 * A pair that is not in a table is not a transition: `transition` answers null and the caller ignores the message.
 */
import { z } from 'zod';

type Table<State extends string, Event extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Event, State>>>>
>;

export const JOB_STATES = ['pending', 'queued', 'running', 'completed', 'failed', 'cancelled', 'expired'] as const;
export const jobStateSchema = z.enum(JOB_STATES);
export type JobState = (typeof JOB_STATES)[number];
export type JobEvent = 'expand' | 'start' | 'complete' | 'fail' | 'cancel' | 'expire';

export const JOB_TRANSITIONS: Table<JobState, JobEvent> = {
  // Not all of its tasks are there yet; those that are may run. It has none while it waits for other jobs.
  pending: { expand: 'queued', start: 'running', fail: 'failed', cancel: 'cancelled', expire: 'expired' },
  queued: {
    start: 'running',
    complete: 'completed',
    fail: 'failed',
    cancel: 'cancelled',
    expire: 'expired',
  },
  running: { complete: 'completed', fail: 'failed', cancel: 'cancelled', expire: 'expired' },
  completed: {},
  failed: {},
  cancelled: {},
  expired: {},
};

export const TASK_STATES = ['queued', 'scheduled', 'running', 'succeeded', 'failed', 'cancelled', 'expired'] as const;
export const taskStateSchema = z.enum(TASK_STATES);
export type TaskState = (typeof TASK_STATES)[number];
export type TaskEvent = 'lease' | 'start' | 'requeue' | 'resume' | 'succeed' | 'fail' | 'cancel' | 'expire';

export const TASK_TRANSITIONS: Table<TaskState, TaskEvent> = {
  // While a task waits for a replacement, its lost attempt may come back alive or deliver: the first result wins.
  queued: {
    lease: 'scheduled',
    resume: 'running',
    succeed: 'succeeded',
    fail: 'failed',
    cancel: 'cancelled',
    expire: 'expired',
  },
  scheduled: {
    start: 'running',
    requeue: 'queued',
    succeed: 'succeeded',
    fail: 'failed',
    cancel: 'cancelled',
    expire: 'expired',
  },
  running: { requeue: 'queued', succeed: 'succeeded', fail: 'failed', cancel: 'cancelled', expire: 'expired' },
  succeeded: {},
  failed: {},
  cancelled: {},
  expired: {},
};

export const ATTEMPT_STATES = [
  'leased',
  'preparing',
  'running',
  'suspended',
  'uploading',
  'committed',
  'revealed',
  'lost',
  'valid',
  'confirmed',
  'invalid',
  'inconclusive',
  'failed',
  'yielded',
  'declined',
  'cancelled',
  'superseded',
] as const;
export const attemptStateSchema = z.enum(ATTEMPT_STATES);
export type AttemptState = (typeof ATTEMPT_STATES)[number];
export type AttemptEvent =
  | 'prepare'
  | 'start'
  | 'suspend'
  | 'resume'
  | 'upload'
  | 'commit'
  | 'reveal'
  | 'succeed'
  | 'fail'
  | 'yield'
  | 'decline'
  | 'cancel'
  | 'lose'
  | 'supersede'
  | Verdict;
/** What verification finds of a result that was revealed: accepted; equal to the accepted one; wrong; nobody knows. */
type Verdict = 'accept' | 'confirm' | 'refute' | 'doubt';
const VERDICTS: readonly string[] = ['accept', 'confirm', 'refute', 'doubt'] satisfies Verdict[];

const LIVE_ATTEMPT = {
  succeed: 'valid',
  fail: 'failed',
  yield: 'yielded',
  // From any of them: a lost attempt comes back as `running` although its node had not begun it, and what an agent
  // gives up out of turn must not stay in its place.
  decline: 'declined',
  cancel: 'cancelled',
  lose: 'lost',
  supersede: 'superseded',
} as const;

/** Of a verified task: bound to its result, and shown. A trusted node is asked for no commitment. */
const SHOWN = { commit: 'committed', reveal: 'revealed' } as const;

export const ATTEMPT_TRANSITIONS: Table<AttemptState, AttemptEvent> = {
  leased: { ...LIVE_ATTEMPT, prepare: 'preparing', start: 'running', upload: 'uploading', ...SHOWN },
  preparing: { ...LIVE_ATTEMPT, start: 'running', upload: 'uploading', ...SHOWN },
  running: { ...LIVE_ATTEMPT, suspend: 'suspended', upload: 'uploading', ...SHOWN },
  suspended: { ...LIVE_ATTEMPT, resume: 'running' },
  uploading: { ...LIVE_ATTEMPT, ...SHOWN },
  // It has run and takes up no place of its node; the node keeps its result until it is asked for it.
  committed: {
    reveal: 'revealed',
    fail: 'failed',
    decline: 'declined',
    cancel: 'cancelled',
    lose: 'lost',
    supersede: 'superseded',
  },
  revealed: { accept: 'valid', confirm: 'confirmed', refute: 'invalid', doubt: 'inconclusive' },
  // `start`, `suspend` and `upload`: the node came back with the attempt alive and the task undecided.
  lost: {
    start: 'running',
    suspend: 'suspended',
    upload: 'uploading',
    succeed: 'valid',
    fail: 'failed',
    yield: 'yielded',
    decline: 'declined',
    cancel: 'cancelled',
    supersede: 'superseded',
  },
  // A node was found out: what had been accepted from it alone is verified again.
  valid: { refute: 'invalid' },
  confirmed: { refute: 'invalid' },
  invalid: {},
  inconclusive: {},
  failed: {},
  yielded: {},
  declined: {},
  cancelled: {},
  superseded: {},
};

/** The state after `event`, or null when the table has no such transition. */
export function transition<State extends string, Event extends string>(
  table: Table<State, Event>,
  state: State,
  event: Event,
): State | null {
  return table[state][event] ?? null;
}

/** A state that nothing leaves, but a verdict on the result: its node is done with it. */
export function isTerminal<State extends string, Event extends string>(
  table: Table<State, Event>,
  state: State,
): boolean {
  return Object.keys(table[state]).every((event) => VERDICTS.includes(event));
}

/**
 * Why an attempt failed. `blame` decides who pays: a failure of the job burns one of the attempts its author
 * allowed, a failure of the node burns none of them and is bounded by `LIMITS.nodeFailures`.
 */
export const FAILURE_REASONS = {
  'exit-code': { blame: 'job', meaning: 'the program ended with a code other than 0' },
  'script-error': { blame: 'job', meaning: 'the script threw or could not be parsed' },
  'invalid-module': { blame: 'job', meaning: 'the module is not wasm, or imports what is not offered' },
  oom: { blame: 'job', meaning: 'the attempt needed more memory than it asked for' },
  timeout: { blame: 'job', meaning: 'the attempt ran longer than timeouts.attempt' },
  'heartbeat-timeout': { blame: 'job', meaning: 'no progress was reported for timeouts.heartbeat' },
  ended: { blame: 'job', meaning: 'the program of a service ended' },
  unhealthy: { blame: 'job', meaning: 'its health check failed too often' },
  'input-missing': { blame: 'job', meaning: 'an input blob does not exist or is not what the spec says' },
  'output-missing': { blame: 'job', meaning: 'a declared output does not exist after the run' },
  'output-too-large': { blame: 'job', meaning: 'more was written than resources.disk allows' },
  'output-invalid': { blame: 'job', meaning: 'an output has a name or type that cannot be stored' },
  'command-not-found': {
    blame: 'job',
    meaning: 'the program to run does not exist, or cannot be executed on the node',
  },
  'image-missing': {
    blame: 'job',
    meaning: 'the image does not exist, may not be pulled with these credentials, or is for another architecture',
  },
  rejected: { blame: 'job', meaning: 'no engine of the node may run this job, by the policy of its owner' },
  sandbox: { blame: 'node', meaning: 'the sandbox could not be set up or broke down' },
  staging: { blame: 'node', meaning: 'an input could not be fetched from the coordinator' },
  'image-pull': { blame: 'node', meaning: 'the registry could not be reached, or the pull broke off' },
  upload: { blame: 'node', meaning: 'the outputs could not be stored' },
  'node-lost': { blame: 'node', meaning: 'the node was not heard of for disconnect.lostAfter, or forgot the attempt' },
  drained: { blame: 'node', meaning: 'the node was drained before the attempt ended' },
  'stopped-on-node': { blame: 'node', meaning: 'the node stopped it after disconnect.stopOnNodeAfter without contact' },
  'commitment-mismatch': {
    blame: 'node',
    meaning: 'the node showed another result than it had committed to, or one that it had not signed',
  },
  withheld: { blame: 'node', meaning: 'the node committed to a result and did not show it in time' },
  'trust-withdrawn': {
    blame: 'node',
    meaning: 'the node was leased the task because it was trusted, and was trusted no more when it told of the result',
  },
  inconclusive: {
    blame: 'node',
    meaning: 'the results of the nodes differ, or too few nodes could be asked, and no trusted node could decide',
  },
  'queue-timeout': { blame: 'job', meaning: 'no node took the task within timeouts.queue' },
  'dependency-failed': { blame: 'job', meaning: 'a job that it waited for did not complete' },
  'total-timeout': { blame: 'job', meaning: 'the job did not end within timeouts.total' },
  'too-many-node-failures': { blame: 'job', meaning: 'too many nodes failed under this task' },
  cancelled: { blame: 'job', meaning: 'the user cancelled it' },
  superseded: { blame: 'job', meaning: 'another attempt of the task was accepted' },
} as const satisfies Record<string, { blame: 'job' | 'node'; meaning: string }>;

/** Why an attempt gave up its place without having failed. */
export const YIELD_REASONS = {
  'exit-85': 'the program asked to be started again from its checkpoint (exit code 85)',
  drained: 'its node was drained',
  suspended: 'it was suspended for longer than suspend.keepLease',
  preempted: 'its job is spot, and work that is not needed its room',
  moved: 'the task does better on another node',
} as const;
export type YieldReason = keyof typeof YIELD_REASONS;
export const yieldReasonSchema = z.enum(Object.keys(YIELD_REASONS) as [YieldReason, ...YieldReason[]]);

/** Those for which the coordinator tells an attempt to give up its place. */
export const DEPARTURE_REASONS = ['preempted', 'moved'] as const satisfies readonly YieldReason[];
export type DepartureReason = (typeof DEPARTURE_REASONS)[number];

export type FailureReason = keyof typeof FAILURE_REASONS;
export const failureReasonSchema = z.enum(Object.keys(FAILURE_REASONS) as [FailureReason, ...FailureReason[]]);

/** Reasons that `retry.on` may name: those a second try can change. */
export const RETRYABLE_REASONS = [
  'exit-code',
  'script-error',
  'oom',
  'timeout',
  'heartbeat-timeout',
  'output-missing',
  'output-too-large',
] as const satisfies readonly FailureReason[];
