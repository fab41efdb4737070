/** Loads what a turn decides on, and saves what it decided: a fixed number of statements, however much there is. */
import {
  type AttemptName,
  type AttemptState,
  type FailureReason,
  type JobEventData,
  type JobState,
  TASK_STATES,
  type TaskCounts,
  type TaskState,
} from '@fog/contract';
import { sql } from 'kysely';
import { type JobProgress, progressJob } from '../dispatch/job-progress.ts';
import type { Turn } from '../dispatch/turn.ts';
import { taskKey } from '../dispatch/turn-names.ts';
import type { CountChanges, StreamEntry, TurnAttempt, TurnTask } from '../dispatch/turn-records.ts';
import { readRecord } from '../dispatch/verification/record.ts';
import { allOf, type BulkStatement, runBulk } from './bulk.ts';
import type { Database, Writer } from './database.ts';
import { OPEN_STATES } from './live-attempts.ts';
import {
  CHECKPOINT_COLUMNS,
  type CheckpointColumns,
  saveCheckpoints,
  saveSuspensions,
  toCheckpoint,
} from './suspension-rows.ts';
import { rememberVerification } from './verified-text.ts';

/** SQLite has one writer and no row locks; PostgreSQL has many coordinators. */
export function rowLock(engine: Database['engine'], what: 'FOR UPDATE' | 'FOR UPDATE SKIP LOCKED') {
  return engine === 'postgres' ? sql.raw(what) : sql.raw('');
}

/** Of the attempts only those that something can still happen to: a task that yields again and again has many others. */
const LOAD_TASKS: BulkStatement = {
  text: `SELECT t.job_id, t.partition, t.state, t.class_id, t.rank, t.fence, t.parked, t.not_before, t.job_failures,
      t.node_failures, t.failure, t.accepted_fence, t.outputs, t.verification, t.reverifying, ${CHECKPOINT_COLUMNS},
      a.fence AS attempt_fence, a.state AS attempt_state, a.node_id, a.started_at, a.ended_at, a.outcome, a.progress,
      a.health, a.log_bytes, a.price, a.payee
    FROM ROWS AS k CROSS JOIN tasks t LEFT JOIN attempts a
      ON a.job_id = t.job_id AND a.partition = t.partition AND a.state IN ${OPEN_STATES}
    WHERE t.job_id = k.job_id AND t.partition = k.partition`,
  columns: { job_id: 'text', partition: 'integer' },
};

/**
 * States of rows when they were read. A row is saved only if it still is as it was read; otherwise another
 * coordinator was faster, and the transaction is run again. On SQLite, with its one writer, that cannot happen.
 */
const AS_READ = Symbol('as read');

interface AsRead {
  state: string;
  logBytes: number;
}

/** With the row itself: a table of weak references beside it would cost more than the rest of reading it. */
interface ReadRow {
  [AS_READ]: AsRead;
}

function asRead(row: TurnTask | TurnAttempt): AsRead | undefined {
  return (row as Partial<ReadRow>)[AS_READ];
}

/** Tells the group commit to run the transaction again, like PostgreSQL's own serialisation failure. */
export class StaleRows extends Error {
  readonly code = '40001';
}

/** Tasks of the named attempts with all their live attempts: accepting one supersedes the others. */
export async function loadAttempts(
  writer: Writer,
  names: readonly AttemptName[],
): Promise<{ tasks: TurnTask[]; attempts: TurnAttempt[] }> {
  const wanted = new Map<string, AttemptName>();
  for (const name of names) wanted.set(taskKey(name), name);
  const keys = [...wanted.values()].map((name) => [name.job, name.partition]);
  const rows = await runBulk<TaskColumns & AttemptColumns>(writer, LOAD_TASKS, keys);
  const tasks = new Map<string, TurnTask>();
  const attempts: TurnAttempt[] = [];
  for (const row of rows) {
    const task = toTask(row);
    if (!tasks.has(taskKey(task))) tasks.set(taskKey(task), task);
    if (row.attempt_fence !== null) attempts.push(toAttempt(row, row.attempt_fence));
  }
  return { tasks: [...tasks.values()], attempts };
}

const INSERT_BLOBS: BulkStatement = {
  text: 'INSERT INTO job_blobs (job_id, digest) SELECT DISTINCT job_id, digest FROM ROWS AS d WHERE true ON CONFLICT DO NOTHING',
  columns: { job_id: 'text', digest: 'text' },
};

/** Remembers which blobs a job names, so that they are kept as long as it is. */
export async function insertJobBlobs(writer: Writer, blobs: readonly { job: string; digest: string }[]): Promise<void> {
  await runBulk(
    writer,
    INSERT_BLOBS,
    blobs.map(({ job, digest }) => [job, digest]),
  );
}

/**
 * Saves the tasks and attempts of a turn; its jobs and streams are saved last, by `saveJobs`. The statements are handed
 * over together and run in this order, so that PostgreSQL works on one while the next is written.
 */
export async function saveAttempts(writer: Writer, turn: Turn): Promise<void> {
  const { changedTasks, changedAttempts, blobs, suspensions } = turn;
  const [areSuspended, , , areCheckpointed] = await allOf([
    saveSuspensions(writer, turn, (task) => asRead(task)?.state ?? ''),
    updateTasks(writer, changedTasks),
    updateAttempts(writer, changedAttempts),
    saveCheckpoints(writer, turn),
    insertJobBlobs(writer, blobs),
  ]);
  if (!areSuspended || !areCheckpointed) throw new StaleRows('a task has changed since it was read');
  // The claims of the same turn may change them again.
  changedTasks.clear();
  changedAttempts.clear();
  blobs.length = 0;
  suspensions.changedSuspensions.clear();
  suspensions.changedCheckpoints.clear();
}

const LOAD_JOBS: BulkStatement = {
  text: `SELECT t.id, t.state, t.task_count, t.expanded, t.queued, t.scheduled, t.running, t.succeeded, t.failed,
      t.cancelled, t.expired, t.next_sequence, t.started_at, t.ended_at, t.closing, t.closed_by, t.reason, t.deployment
    FROM ROWS AS k CROSS JOIN jobs t WHERE t.id = k.id ORDER BY t.id`,
  columns: { id: 'text' },
  lock: 'FOR UPDATE OF t',
};

/**
 * Applies changes of counters and appends to the streams of jobs. Rows of jobs are locked last and in the order of
 * their ids, so that coordinators cannot wait for each other in a circle.
 */
export async function saveJobs(
  writer: Writer,
  counts: ReadonlyMap<string, CountChanges>,
  entries: ReadonlyMap<string, readonly StreamEntry[]>,
  now: number,
): Promise<string[]> {
  const ids = [...new Set([...counts.keys(), ...entries.keys()])];
  const rows = await runBulk<JobColumns>(
    writer,
    LOAD_JOBS,
    ids.map((id) => [id]),
  );
  const jobRows: (string | number | null)[][] = [];
  const events: NewEvent[] = [];
  const logs: (string | number)[][] = [];
  for (const row of rows) {
    const { job, events: jobEvents } = progressJob(toJob(row), counts.get(row.id) ?? {}, now);
    let sequence = row.next_sequence;
    for (const entry of [...(entries.get(row.id) ?? []), ...jobEvents.map(asEntry)]) {
      if (entry.kind === 'event') events.push([row.id, sequence, now, JSON.stringify(entry.data)]);
      else logs.push([row.id, sequence, now, entry.log.partition, entry.log.fence, entry.log.stream, entry.log.text]);
      sequence += 1;
    }
    const taskCounts = TASK_STATES.map((state) => job.counts[state]);
    jobRows.push([row.id, job.state, ...taskCounts, sequence, job.startedAt, job.endedAt, job.reason]);
  }
  await allOf([
    runBulk(writer, UPDATE_JOBS, jobRows),
    insertEvents(writer, events),
    runBulk(writer, INSERT_LOGS, logs),
  ]);
  return ids;
}

/** [stream, sequence, at, data] */
export type NewEvent = [string, number, number, string];

const INSERT_EVENTS: BulkStatement = {
  text: 'INSERT INTO events (stream, sequence, at, data) SELECT stream, sequence, at, data FROM ROWS AS d',
  columns: { stream: 'text', sequence: 'bigint', at: 'bigint', data: 'text' },
};

export async function insertEvents(writer: Writer, rows: readonly NewEvent[]): Promise<void> {
  await runBulk(writer, INSERT_EVENTS, rows);
}

const INSERT_LOGS: BulkStatement = {
  text: `INSERT INTO logs (job_id, sequence, at, partition, fence, stream, text)
    SELECT job_id, sequence, at, partition, fence, stream, text FROM ROWS AS d`,
  columns: {
    job_id: 'text',
    sequence: 'bigint',
    at: 'bigint',
    partition: 'integer',
    fence: 'integer',
    stream: 'text',
    text: 'text',
  },
};

const UPDATE_JOBS: BulkStatement = {
  text: `UPDATE jobs SET state = d.state, queued = d.queued, scheduled = d.scheduled, running = d.running,
      succeeded = d.succeeded, failed = d.failed, cancelled = d.cancelled, expired = d.expired,
      next_sequence = d.next_sequence, started_at = d.started_at, ended_at = d.ended_at, reason = d.reason
    FROM ROWS AS d WHERE jobs.id = d.id`,
  columns: {
    id: 'text',
    state: 'text',
    queued: 'integer',
    scheduled: 'integer',
    running: 'integer',
    succeeded: 'integer',
    failed: 'integer',
    cancelled: 'integer',
    expired: 'integer',
    next_sequence: 'bigint',
    started_at: 'bigint',
    ended_at: 'bigint',
    reason: 'text',
  },
};

const UPDATE_TASKS: BulkStatement = {
  // Of a task that was suspended meanwhile, perhaps by another coordinator, the retry waits for that, not for its time.
  text: `UPDATE tasks SET state = d.state, job_failures = d.job_failures, node_failures = d.node_failures,
      parked = CASE WHEN d.state = 'queued' AND tasks.suspended_at IS NOT NULL THEN 1 ELSE d.parked END,
      not_before = CASE WHEN tasks.suspended_at IS NOT NULL THEN NULL ELSE d.not_before END,
      failure = d.failure, accepted_fence = d.accepted_fence, outputs = d.outputs
    FROM ROWS AS d
    WHERE tasks.job_id = d.job_id AND tasks.partition = d.partition AND tasks.state = d.was AND tasks.fence = d.fence
    RETURNING tasks.partition`,
  columns: {
    job_id: 'text',
    partition: 'integer',
    fence: 'integer',
    was: 'text',
    state: 'text',
    parked: 'integer',
    not_before: 'bigint',
    job_failures: 'integer',
    node_failures: 'integer',
    failure: 'text',
    accepted_fence: 'integer',
    outputs: 'text',
  },
};

async function updateTasks(writer: Writer, tasks: ReadonlySet<TurnTask>): Promise<void> {
  const rows = [...tasks].map((task) => [
    task.job,
    task.partition,
    task.fence,
    asRead(task)?.state ?? '',
    task.state,
    task.parked ? 1 : 0,
    task.notBefore,
    task.jobFailures,
    task.nodeFailures,
    task.failure,
    task.acceptedFence,
    task.outputs,
  ]);
  const saved = await runBulk(writer, UPDATE_TASKS, rows);
  if (saved.length !== rows.length) throw new StaleRows('a task has changed since it was read');
}

const UPDATE_ATTEMPTS: BulkStatement = {
  text: `UPDATE attempts SET state = d.state, started_at = d.started_at, ended_at = d.ended_at, outcome = d.outcome,
      progress = d.progress, health = d.health, log_bytes = d.log_bytes
    FROM ROWS AS d
    WHERE attempts.job_id = d.job_id AND attempts.partition = d.partition AND attempts.fence = d.fence
      AND attempts.state = d.was AND attempts.log_bytes = d.had
    RETURNING attempts.fence`,
  columns: {
    job_id: 'text',
    partition: 'integer',
    fence: 'integer',
    was: 'text',
    had: 'bigint',
    state: 'text',
    started_at: 'bigint',
    ended_at: 'bigint',
    outcome: 'text',
    progress: 'text',
    health: 'text',
    log_bytes: 'bigint',
  },
};

/** A task has one accepted result at a time: one that was found wrong goes before another takes its place. */
async function updateAttempts(writer: Writer, attempts: ReadonlySet<TurnAttempt>): Promise<void> {
  const isRefuted = (attempt: TurnAttempt) => asRead(attempt)?.state === 'valid';
  const refuted = [...attempts].filter(isRefuted);
  const others = refuted.length === 0 ? [...attempts] : [...attempts].filter((attempt) => !isRefuted(attempt));
  await allOf([updateAttemptRows(writer, refuted), updateAttemptRows(writer, others)]);
}

async function updateAttemptRows(writer: Writer, attempts: readonly TurnAttempt[]): Promise<void> {
  const rows = attempts.map((attempt) => [
    attempt.job,
    attempt.partition,
    attempt.fence,
    asRead(attempt)?.state ?? '',
    asRead(attempt)?.logBytes ?? 0,
    attempt.state,
    attempt.startedAt,
    attempt.endedAt,
    attempt.outcome,
    attempt.progress,
    attempt.health,
    attempt.logBytes,
  ]);
  const saved = await runBulk(writer, UPDATE_ATTEMPTS, rows);
  if (saved.length !== rows.length) throw new StaleRows('an attempt has changed since it was read');
}

interface TaskColumns extends CheckpointColumns {
  job_id: string;
  partition: number;
  state: string;
  class_id: string;
  rank: number;
  fence: number;
  parked: number;
  not_before: number | null;
  job_failures: number;
  node_failures: number;
  failure: string | null;
  accepted_fence: number | null;
  outputs: string | null;
  verification: string | null;
  reverifying: number;
}

/** All null where the task has no live attempt. */
interface AttemptColumns {
  attempt_fence: number | null;
  attempt_state: string;
  node_id: string;
  started_at: number | null;
  ended_at: number | null;
  outcome: string | null;
  progress: string | null;
  health: string | null;
  log_bytes: number;
  price: number | null;
  payee: string | null;
}

interface JobColumns extends TaskCounts {
  id: string;
  state: string;
  task_count: number;
  expanded: number;
  next_sequence: number;
  started_at: number | null;
  ended_at: number | null;
  closing: string | null;
  closed_by: string | null;
  reason: string | null;
  deployment: string | null;
}

function toTask(row: TaskColumns): TurnTask {
  const task: TurnTask & ReadRow = {
    job: row.job_id,
    partition: row.partition,
    state: row.state as TaskState,
    classId: row.class_id,
    rank: row.rank,
    fence: row.fence,
    parked: row.parked === 1,
    notBefore: row.not_before,
    jobFailures: row.job_failures,
    nodeFailures: row.node_failures,
    failure: row.failure,
    acceptedFence: row.accepted_fence,
    outputs: row.outputs,
    suspendedAt: row.suspended_at,
    checkpoint: toCheckpoint(row),
    verification: row.verification === null ? null : readRecord(row.verification),
    reverifying: row.reverifying === 1,
    [AS_READ]: { state: row.state, logBytes: 0 },
  };
  if (row.verification !== null) rememberVerification(task, row.verification);
  return task;
}

function toAttempt(row: TaskColumns & AttemptColumns, fence: number): TurnAttempt {
  const attempt: TurnAttempt & ReadRow = {
    job: row.job_id,
    partition: row.partition,
    fence,
    state: row.attempt_state as AttemptState,
    node: row.node_id,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    outcome: row.outcome,
    progress: row.progress,
    health: row.health,
    logBytes: row.log_bytes,
    price: row.price,
    payee: row.payee,
    [AS_READ]: { state: row.attempt_state, logBytes: row.log_bytes },
  };
  return attempt;
}

function toJob(row: JobColumns): JobProgress {
  return {
    state: row.state as JobState,
    counts: Object.fromEntries(TASK_STATES.map((state) => [state, row[state]])) as TaskCounts,
    taskCount: row.task_count,
    expanded: row.expanded,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    closing: row.closing as JobProgress['closing'],
    closedBy: row.closed_by,
    reason: row.reason as FailureReason | null,
    isKept: row.deployment !== null,
  };
}

function asEntry(data: JobEventData): StreamEntry {
  return { kind: 'event', data };
}
