/** Inserts a job with its tasks. A job of one step, which most are, needs one statement a table. */
import { isLongRunning, type JobEventData, type JobSpec, parseDuration } from '@fog/contract';
import { DISPATCH_LIMITS } from '../limits.ts';
import { allOf, type BulkStatement, runBulk } from './bulk.ts';
import type { Writer } from './database.ts';
import { insertDependencies } from './dependency-rows.ts';
import { insertEvents, insertJobBlobs, type NewEvent } from './turn-rows.ts';

export interface NewJob {
  id: string;
  spec: JobSpec;
  /** JSON of `spec`. */
  specText: string;
  submitter: string;
  submittedAt: number;
  idempotencyKey: string | null;
  /** Class of all tasks, or, for ops jobs, of each. */
  classes: { all: string } | { each: readonly string[] };
  taskCount: number;
  /** Of its first task; 0 unless it repeats a task of another job. */
  firstPartition?: number;
  /** When its times begin to count; `submittedAt` unless it repeats another job. */
  since?: number;
  /** What the specification names. */
  blobs: readonly string[];
  /** Whose revision it is; such a job begins without tasks. */
  deployment: string | null;
  /** Jobs that it waits for; it begins without tasks. */
  needed?: readonly string[] | undefined;
  /** What pays for it; null where nobody does. */
  payment?: { paymentTerms: string; escrow: string } | null;
}

/** The last moment that a Date can tell: what is kept running does not expire. */
const NEVER = 8_640_000_000_000_000;

const INSERT_JOBS: BulkStatement = {
  text: `INSERT INTO jobs (id, name, state, submitter, spec, rank, class_id, task_count, expanded, queued, scheduled,
      running, succeeded, failed, cancelled, expired, next_sequence, submitted_at, expires_at, idempotency_key,
      deployment, payment_terms, escrow, escrow_open)
    SELECT id, name, state, submitter, spec, rank, class_id, task_count, expanded, expanded, 0, 0, 0, 0, 0, 0,
      next_sequence, submitted_at, expires_at, idempotency_key, deployment, payment_terms, escrow,
      CASE WHEN escrow IS NULL THEN 0 ELSE 1 END FROM ROWS AS d WHERE true
    ON CONFLICT DO NOTHING RETURNING id`,
  columns: {
    id: 'text',
    name: 'text',
    state: 'text',
    submitter: 'text',
    spec: 'text',
    rank: 'integer',
    class_id: 'text',
    task_count: 'integer',
    expanded: 'integer',
    next_sequence: 'bigint',
    submitted_at: 'bigint',
    expires_at: 'bigint',
    idempotency_key: 'text',
    deployment: 'text',
    payment_terms: 'text',
    escrow: 'text',
  },
};

/** Answers false, and inserts nothing, when the submitter has used the key before. */
export async function insertJob(writer: Writer, job: NewJob): Promise<boolean> {
  const { spec, metadata } = job.spec;
  const { needed = [] } = job;
  const most = 'each' in job.classes ? job.taskCount : Math.min(job.taskCount, DISPATCH_LIMITS.jobStep);
  const expanded = needed.length > 0 ? 0 : most;
  const isWhole = expanded === job.taskCount && needed.length === 0;
  const rank = 100 - spec.priority;
  const events: JobEventData[] = [
    { type: 'job.submitted', name: metadata.name, tasks: job.taskCount, by: job.submitter },
    ...(isWhole ? [{ type: 'job.queued' as const, tasks: job.taskCount }] : []),
  ];
  const { firstPartition = 0, since = job.submittedAt } = job;
  const expiresAt = isLongRunning(job.spec) ? NEVER : since + parseDuration(spec.timeouts.total);
  const classId = 'all' in job.classes ? job.classes.all : null;
  const row = [
    job.id,
    metadata.name,
    isWhole ? 'queued' : 'pending',
    job.submitter,
    job.specText,
    rank,
    classId,
    job.taskCount,
    expanded,
  ];
  const payment = [job.payment?.paymentTerms ?? null, job.payment?.escrow ?? null];
  const inserted = await runBulk(writer, INSERT_JOBS, [
    [...row, events.length + 1, job.submittedAt, expiresAt, job.idempotencyKey, job.deployment, ...payment],
  ]);
  if (inserted.length === 0) return false;
  const deadline = since + parseDuration(spec.timeouts.queue);
  const place = { jobId: job.id, rank, deadline };
  const tasks =
    'each' in job.classes
      ? insertPinnedTasks(writer, place, job.classes.each)
      : needed.length > 0
        ? insertDependencies(writer, job.id, needed)
        : insertTasks(
            writer,
            { ...place, classId: job.classes.all, suspendedAt: null },
            { from: firstPartition, to: firstPartition + expanded },
          );
  const rows = events.map((data, index): NewEvent => [job.id, index + 1, job.submittedAt, JSON.stringify(data)]);
  const blobs = job.blobs.map((digest) => ({ job: job.id, digest }));
  await allOf([tasks, insertEvents(writer, rows), insertJobBlobs(writer, blobs)]);
  return true;
}

export interface TaskPlace {
  jobId: string;
  rank: number;
  /** When it must have been leased once; null for replicas, and tasks of a suspended job, which wait as long as it takes. */
  deadline: number | null;
}

const INSERT_RANGES: BulkStatement = {
  text: `INSERT INTO tasks (job_id, partition, state, class_id, rank, fence, parked, queue_deadline, job_failures,
      node_failures, suspended_at)
    WITH RECURSIVE n(job_id, i, last, class_id, rank, deadline, suspended_at) AS (
      SELECT job_id, first, last, class_id, rank, deadline, suspended_at FROM ROWS AS d
      UNION ALL SELECT job_id, i + 1, last, class_id, rank, deadline, suspended_at FROM n WHERE i < last)
    SELECT job_id, i, 'queued', class_id, rank, 0, CASE WHEN suspended_at IS NULL THEN 0 ELSE 1 END, deadline, 0, 0,
      suspended_at FROM n`,
  columns: {
    job_id: 'text',
    first: 'integer',
    last: 'integer',
    class_id: 'text',
    rank: 'integer',
    deadline: 'bigint',
    suspended_at: 'bigint',
  },
};

/** Partitions from `from` to `to` (exclusive), made by the database itself: nothing travels. */
export async function insertTasks(
  writer: Writer,
  place: TaskPlace & { classId: string; suspendedAt: number | null },
  range: { from: number; to: number },
): Promise<void> {
  const { jobId, classId, rank, deadline, suspendedAt } = place;
  await runBulk(writer, INSERT_RANGES, [[jobId, range.from, range.to - 1, classId, rank, deadline, suspendedAt]]);
}

const INSERT_PINNED_TASKS: BulkStatement = {
  text: `INSERT INTO tasks (job_id, partition, state, class_id, rank, fence, parked, queue_deadline, job_failures, node_failures)
    SELECT job_id, partition, 'queued', class_id, rank, 0, 0, queue_deadline, 0, 0 FROM ROWS AS d`,
  columns: { job_id: 'text', partition: 'integer', class_id: 'text', rank: 'integer', queue_deadline: 'bigint' },
};

/** One task for each class, from partition `first` on. */
export async function insertPinnedTasks(
  writer: Writer,
  place: TaskPlace,
  classIds: readonly string[],
  first = 0,
): Promise<void> {
  const { jobId, rank, deadline } = place;
  await runBulk(
    writer,
    INSERT_PINNED_TASKS,
    classIds.map((classId, index) => [jobId, first + index, classId, rank, deadline]),
  );
}

/** What is said of a job that is verified, or serves those that are. */
export interface Disguise {
  purpose: 'user' | 'check' | 'comparison' | 'arbitration';
  /** What its leases say; null: nothing else. */
  leaseTerms: string | null;
  /** Of a hidden one: which job's oversight pays for it, and on which terms. */
  oversight?: { by: string; terms: string } | null;
}

export async function disguiseJob(
  writer: Writer,
  id: string,
  { purpose, leaseTerms, oversight }: Disguise,
): Promise<void> {
  const paid = oversight == null ? {} : { payment_terms: oversight.terms, oversight_by: oversight.by };
  await writer
    .updateTable('jobs')
    .set({ purpose, lease_terms: leaseTerms, ...paid })
    .where('id', '=', id)
    .execute();
}
