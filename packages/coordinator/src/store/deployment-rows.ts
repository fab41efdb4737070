/** The rows of deployments, their revisions and their replicas. */
import type { AttemptState, TaskState } from '@fog/contract';
import { sql } from 'kysely';
import type { ReplicaMemory } from '../deployments/replica-condition.ts';
import { type BulkStatement, type BulkValue, runBulk } from './bulk.ts';
import type { Database, Reader, Writer } from './database.ts';
import type { DeploymentRow, RevisionRow } from './tables.ts';
import { rowLock } from './turn-rows.ts';

export interface DeploymentKey {
  principal: string;
  name: string;
}

export async function readDeployment(
  reader: Reader,
  { principal, name }: DeploymentKey,
): Promise<DeploymentRow | null> {
  const row = await reader
    .selectFrom('deployments')
    .selectAll()
    .where('principal', '=', principal)
    .where('name', '=', name)
    .executeTakeFirst();
  return row ?? null;
}

/**
 * The row, locked until the end of the transaction: who holds it decides for the deployment. With `skip` null when
 * another coordinator is at it.
 */
export async function lockDeployment(
  writer: Writer,
  engine: Database['engine'],
  { principal, name }: DeploymentKey,
  skip: boolean,
): Promise<DeploymentRow | null> {
  const { rows } = await sql<DeploymentRow>`SELECT * FROM deployments WHERE principal = ${principal} AND name = ${name}
    ${rowLock(engine, skip ? 'FOR UPDATE SKIP LOCKED' : 'FOR UPDATE')}`.execute(writer);
  return rows[0] ?? null;
}

export async function saveDeployment(
  writer: Writer,
  { principal, name }: DeploymentKey,
  change: Partial<Omit<DeploymentRow, 'principal' | 'name' | 'type'>>,
): Promise<void> {
  await writer
    .updateTable('deployments')
    .set(change)
    .where('principal', '=', principal)
    .where('name', '=', name)
    .execute();
}

/** A revision and what became of its job. */
export interface RevisionWithJob extends RevisionRow {
  /** The job neither has ended nor is being closed. */
  isOpen: boolean;
  /** Somebody pays for the job: for what was covered before the fog asked for no money nobody does any more. */
  isPaid: boolean;
  /** Tasks that the job has had. */
  tasks: number;
}

/** Newest first. */
export async function readRevisions(reader: Reader, { principal, name }: DeploymentKey): Promise<RevisionWithJob[]> {
  const rows = await reader
    .selectFrom('deployment_revisions')
    .innerJoin('jobs', 'jobs.id', 'deployment_revisions.job_id')
    .leftJoin('paid_services', 'paid_services.job_id', 'jobs.id')
    .selectAll('deployment_revisions')
    .select(['jobs.task_count', 'jobs.closing', 'jobs.ended_at as job_ended_at', 'paid_services.job_id as paid_job'])
    .where('deployment_revisions.principal', '=', principal)
    .where('deployment_revisions.name', '=', name)
    .orderBy('revision', 'desc')
    .execute();
  return rows.map(({ task_count: tasks, closing, job_ended_at, paid_job, ...row }) => {
    return { ...row, tasks, isPaid: paid_job !== null, isOpen: closing === null && job_ended_at === null };
  });
}

export async function saveRevision(
  writer: Writer,
  { principal, name, revision }: DeploymentKey & { revision: number },
  change: Partial<Pick<RevisionRow, 'state' | 'reason' | 'stable_at' | 'ended_at'>>,
): Promise<void> {
  await writer
    .updateTable('deployment_revisions')
    .set(change)
    .where('principal', '=', principal)
    .where('name', '=', name)
    .where('revision', '=', revision)
    .execute();
}

/** A task of a deployment that has a row among the replicas, with the attempt that is at it, else its newest. */
export interface ReplicaRow extends ReplicaMemory {
  job: string;
  partition: number;
  /** The node that it is pinned to. */
  pinned: string | null;
  leaving: boolean;
  state: TaskState;
  parked: boolean;
  /** Of the task. */
  fence: number;
  jobFailures: number;
  nodeFailures: number;
  attempt: { fence: number; state: AttemptState; node: string; health: string | null } | null;
  /** JSON of OutcomeRecord, of the last attempt that failed; null unless there are failures in a row. */
  lastOutcome: string | null;
}

const LOAD_REPLICAS: BulkStatement = {
  text: `SELECT r.job_id, r.partition, r.node_id AS pinned, r.run, r.condition, r.since, r.leaving, t.state, t.parked,
      t.fence, t.job_failures, t.node_failures, a.fence AS attempt_fence, a.state AS attempt_state, a.node_id, a.health,
      CASE WHEN t.job_failures + t.node_failures > 0 THEN (
        SELECT o.outcome FROM attempts o WHERE o.job_id = r.job_id AND o.partition = r.partition AND o.outcome IS NOT NULL
        ORDER BY o.fence DESC LIMIT 1) END AS last_outcome
    FROM ROWS AS k CROSS JOIN deployment_replicas r
    JOIN tasks t ON t.job_id = r.job_id AND t.partition = r.partition
    LEFT JOIN attempts a ON a.job_id = r.job_id AND a.partition = r.partition AND a.fence = COALESCE((
      SELECT MAX(p.fence) FROM attempts p WHERE p.job_id = r.job_id AND p.partition = r.partition
      AND p.state IN ('leased', 'preparing', 'running', 'uploading')), t.fence)
    WHERE r.job_id = k.job_id ORDER BY r.job_id, r.partition`,
  columns: { job_id: 'text' },
};

interface ReplicaColumns {
  job_id: string;
  partition: number;
  pinned: string | null;
  run: string;
  condition: string;
  since: number;
  leaving: number;
  state: string;
  parked: number;
  fence: number;
  job_failures: number;
  node_failures: number;
  /** All null before the first attempt. */
  attempt_fence: number | null;
  attempt_state: string;
  node_id: string;
  health: string | null;
  last_outcome: string | null;
}

export async function readReplicas(reader: Reader, jobs: readonly string[]): Promise<ReplicaRow[]> {
  const rows = await runBulk<ReplicaColumns>(
    reader,
    LOAD_REPLICAS,
    [...new Set(jobs)].map((job) => [job]),
  );
  return rows.map((row) => ({
    job: row.job_id,
    partition: row.partition,
    pinned: row.pinned,
    run: row.run,
    condition: row.condition as ReplicaMemory['condition'],
    since: row.since,
    leaving: row.leaving === 1,
    state: row.state as TaskState,
    parked: row.parked === 1,
    fence: row.fence,
    jobFailures: row.job_failures,
    nodeFailures: row.node_failures,
    attempt:
      row.attempt_fence === null
        ? null
        : {
            fence: row.attempt_fence,
            state: row.attempt_state as AttemptState,
            node: row.node_id,
            health: row.health,
          },
    lastOutcome: row.last_outcome,
  }));
}

const STORE_REPLICAS: BulkStatement = {
  text: `INSERT INTO deployment_replicas (job_id, partition, node_id, run, condition, since, leaving)
    SELECT job_id, partition, node_id, run, condition, since, leaving FROM ROWS AS d WHERE true
    ON CONFLICT (job_id, partition) DO UPDATE SET run = excluded.run, condition = excluded.condition,
      since = excluded.since, leaving = excluded.leaving`,
  columns: {
    job_id: 'text',
    partition: 'integer',
    node_id: 'text',
    run: 'text',
    condition: 'text',
    since: 'bigint',
    leaving: 'integer',
  },
};

export type StoredReplica = Pick<
  ReplicaRow,
  'job' | 'partition' | 'pinned' | 'run' | 'condition' | 'since' | 'leaving'
>;

export async function storeReplicas(writer: Writer, replicas: readonly StoredReplica[]): Promise<void> {
  const rows = replicas.map(({ job, partition, pinned, run, condition, since, leaving }): BulkValue[] => {
    return [job, partition, pinned, run, condition, since, leaving ? 1 : 0];
  });
  await runBulk(writer, STORE_REPLICAS, rows);
}

const DELETE_REPLICAS: BulkStatement = {
  text: `DELETE FROM deployment_replicas WHERE (job_id, partition) IN (SELECT job_id, partition FROM ROWS AS d)`,
  columns: { job_id: 'text', partition: 'integer' },
};

export async function deleteReplicas(
  writer: Writer,
  replicas: readonly { job: string; partition: number }[],
): Promise<void> {
  await runBulk(
    writer,
    DELETE_REPLICAS,
    replicas.map(({ job, partition }) => [job, partition]),
  );
}
