/** Reads of jobs, tasks and their streams, in the shapes of the API. */
import {
  type Attempt,
  type AttemptState,
  type FailureReason,
  isTerminal,
  type Job,
  type JobEventRecord,
  type JobSpec,
  type JobState,
  type JobSummary,
  LIMITS,
  type LogRecord,
  type NodeEventRecord,
  type PlacementReason,
  TASK_STATES,
  TASK_TRANSITIONS,
  type TaskCounts,
  type TaskState,
  type TaskVerification,
  type TaskWithAttempts,
} from '@fog/contract';
import { sql } from 'kysely';
import type { FailureRecord, OutcomeRecord } from '../dispatch/turn-records.ts';
import { readRecord, type VerificationRecord } from '../dispatch/verification/record.ts';
import type { Reader } from './database.ts';
import { toCheckpoint } from './suspension-rows.ts';
import type { AttemptRow, JobRow, TaskRow } from './tables.ts';

const SUMMARY_COLUMNS = [
  'id',
  'name',
  'state',
  'submitter',
  'submitted_at',
  'started_at',
  'ended_at',
  'suspended_at',
  'reason',
  'closed_by',
  'task_count',
  'expanded',
  ...TASK_STATES,
] as const;
type SummaryRow = Pick<JobRow, (typeof SUMMARY_COLUMNS)[number]>;

export async function readJob(reader: Reader, id: string): Promise<Job | null> {
  const row = await reader
    .selectFrom('jobs')
    .select([...SUMMARY_COLUMNS, 'spec'])
    .where('id', '=', id)
    .where('purpose', '=', 'user')
    .executeTakeFirst();
  return row === undefined ? null : { ...toSummary(row), spec: JSON.parse(row.spec) as JobSpec };
}

/** Newest first; ids begin with the time. */
export async function readJobs(
  reader: Reader,
  filter: { submitter: string | null; state: JobState | undefined; before: string | undefined; limit: number },
): Promise<JobSummary[]> {
  let query = reader
    .selectFrom('jobs')
    .select(SUMMARY_COLUMNS)
    .where('purpose', '=', 'user')
    .orderBy('id', 'desc')
    .limit(filter.limit);
  if (filter.submitter !== null) query = query.where('submitter', '=', filter.submitter);
  if (filter.state !== undefined) query = query.where('state', '=', filter.state);
  if (filter.before !== undefined) query = query.where('id', '<', filter.before);
  return (await query.execute()).map(toSummary);
}

export async function readTasks(
  reader: Reader,
  jobId: string,
  filter: { state?: TaskState | undefined; from: number; limit: number },
): Promise<TaskWithAttempts[]> {
  let query = reader
    .selectFrom('tasks')
    .selectAll()
    .where('job_id', '=', jobId)
    .where('partition', '>=', filter.from)
    .orderBy('partition')
    .limit(filter.limit);
  if (filter.state !== undefined) query = query.where('state', '=', filter.state);
  const tasks = await query.execute();
  if (tasks.length === 0) return [];
  const attempts = await readAttempts(reader, jobId, tasks);
  return tasks.map((task) => ({ ...toTask(task), attempts: attempts.get(task.partition) ?? [] }));
}

/** Tasks in front of another that are counted: beyond that, the number tells nobody more. */
const COUNTED_AHEAD = 10_000;

/** Where a task stands in the queue, and among how many nodes its newest lease was placed; null is unknown. */
export async function readPlaceInQueue(
  reader: Reader,
  { job, partition, fence }: { job: string; partition: number; fence: number },
): Promise<{ classId: string; ahead: number | null; suitable: number | null; reason: PlacementReason | null }> {
  const task = await reader
    .selectFrom('tasks')
    .leftJoin('attempts', (join) =>
      join
        .onRef('attempts.job_id', '=', 'tasks.job_id')
        .onRef('attempts.partition', '=', 'tasks.partition')
        .on('attempts.fence', '=', fence),
    )
    .select(['tasks.class_id', 'tasks.rank', 'attempts.suitable', 'attempts.placement'])
    .where('tasks.job_id', '=', job)
    .where('tasks.partition', '=', partition)
    .executeTakeFirstOrThrow();
  const { rows } = await sql<{ ahead: number }>`SELECT COUNT(*) AS ahead FROM (SELECT 1 FROM tasks
    WHERE class_id = ${task.class_id} AND state = 'queued' AND parked = 0
    AND (rank, job_id, partition) < (${task.rank}, ${job}, ${partition})
    LIMIT ${sql.lit(COUNTED_AHEAD + 1)}) AS front`.execute(reader);
  const ahead = Number(rows[0]?.ahead ?? 0);
  return {
    classId: task.class_id,
    ahead: ahead > COUNTED_AHEAD ? null : ahead,
    suitable: task.suitable,
    reason: task.placement === null ? null : (JSON.parse(task.placement) as PlacementReason),
  };
}

export async function readEvents(
  reader: Reader,
  stream: string,
  request: { after: number; limit: number; partition?: number | undefined },
): Promise<(JobEventRecord | NodeEventRecord)[]> {
  let query = reader
    .selectFrom('events')
    .select(['sequence', 'at', 'data'])
    .where('stream', '=', stream)
    .where('sequence', '>', request.after)
    .orderBy('sequence')
    .limit(request.limit);
  if (request.partition !== undefined) {
    // Events of tasks name their partition; a quote inside of a text would be escaped.
    query = query.where(({ eb, or }) =>
      or([',', '}'].map((end) => eb('data', 'like', `{%"partition":${request.partition}${end}%`))),
    );
  }
  const rows = await query.execute();
  return rows.map((row) => ({ sequence: row.sequence, atMilliseconds: row.at, data: JSON.parse(row.data) }));
}

export async function readLogs(
  reader: Reader,
  jobId: string,
  request: { after: number; limit: number; partition?: number | undefined },
): Promise<LogRecord[]> {
  let query = reader
    .selectFrom('logs')
    .select(['sequence', 'at', 'partition', 'fence', 'stream', 'text'])
    .where('job_id', '=', jobId)
    .where('sequence', '>', request.after)
    .orderBy('sequence')
    .limit(request.limit);
  if (request.partition !== undefined) query = query.where('partition', '=', request.partition);
  return (await query.execute()).map((row) => ({
    sequence: row.sequence,
    atMilliseconds: row.at,
    partition: row.partition,
    fence: row.fence,
    stream: row.stream as 'stdout' | 'stderr',
    text: row.text,
  }));
}

async function readAttempts(reader: Reader, jobId: string, tasks: readonly TaskRow[]): Promise<Map<number, Attempt[]>> {
  const first = tasks[0]?.partition ?? 0;
  const last = tasks.at(-1)?.partition ?? 0;
  const rows = await reader
    .selectFrom('attempts')
    .innerJoin('tasks', (join) =>
      join
        .onRef('tasks.job_id', '=', 'attempts.job_id')
        .onRef('tasks.partition', '=', 'attempts.partition')
        .on(sql<boolean>`attempts.fence > tasks.fence - ${LIMITS.shownAttempts}`),
    )
    .leftJoin('nodes', 'nodes.id', 'attempts.node_id')
    .selectAll('attempts')
    .select(sql<string | null>`nodes.name`.as('node_name'))
    .where('attempts.job_id', '=', jobId)
    .where('attempts.partition', '>=', first)
    .where('attempts.partition', '<=', last)
    .orderBy('attempts.partition')
    .orderBy('attempts.fence')
    .execute();
  const byPartition = new Map<number, Attempt[]>();
  for (const row of rows) {
    const list = byPartition.get(row.partition);
    const attempt = toAttempt(row, row.node_name);
    if (list === undefined) byPartition.set(row.partition, [attempt]);
    else list.push(attempt);
  }
  return byPartition;
}

function toSummary(row: SummaryRow): JobSummary {
  const counts = Object.fromEntries(TASK_STATES.map((state) => [state, row[state]])) as TaskCounts;
  // Tasks that are not rows yet are queued all the same.
  if (row.ended_at === null) counts.queued += row.task_count - row.expanded;
  return {
    id: row.id,
    name: row.name,
    state: row.state as JobState,
    submitter: row.submitter,
    submittedAt: row.submitted_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    suspended: row.suspended_at !== null && row.ended_at === null,
    tasks: counts,
    reason: row.reason as FailureReason | null,
    ...(row.reason === 'dependency-failed' && row.closed_by !== null ? { failedDependency: row.closed_by } : {}),
  };
}

function toTask(row: TaskRow): Omit<TaskWithAttempts, 'attempts'> {
  const failure = row.failure === null ? null : (JSON.parse(row.failure) as FailureRecord);
  return {
    job: row.job_id,
    partition: row.partition,
    state: row.state as TaskState,
    fence: row.fence,
    jobFailures: row.job_failures,
    nodeFailures: row.node_failures,
    notBefore: row.not_before,
    suspended: row.suspended_at !== null && !isTerminal(TASK_TRANSITIONS, row.state as TaskState),
    checkpoint: toCheckpoint(row),
    reason: failure?.reason ?? null,
    message: failure?.message ?? null,
    exitCode: failure?.exitCode ?? null,
    acceptedFence: row.accepted_fence,
    outputs: row.outputs === null ? [] : JSON.parse(row.outputs),
    verification: row.verification === null ? null : toVerification(readRecord(row.verification)),
  };
}

function toVerification({ state }: VerificationRecord): TaskVerification {
  const { phase, accepted, replicas, requested } = state;
  return { phase, acceptedBy: accepted?.by ?? null, replicas: replicas.length, requested };
}

function toAttempt(row: AttemptRow, nodeName: string | null): Attempt {
  const outcome = row.outcome === null ? null : (JSON.parse(row.outcome) as OutcomeRecord);
  return {
    fence: row.fence,
    state: row.state as AttemptState,
    nodeId: row.node_id,
    nodeName: nodeName ?? row.node_id,
    leasedAt: row.leased_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    reason: outcome?.reason ?? null,
    message: outcome?.message ?? null,
    exitCode: outcome?.exitCode ?? null,
    engine: outcome?.engine ?? null,
    usage: outcome?.usage ?? null,
    progress: row.progress === null ? null : JSON.parse(row.progress),
    health: row.health === null ? null : JSON.parse(row.health),
  };
}
