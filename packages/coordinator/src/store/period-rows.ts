/** Rows of what services and daemons are paid for, and what a look finds of their leases. */
import type { AttemptState, TaskState } from '@fog/contract';
import { sql } from 'kysely';
import type { KnownLease } from '../settlement/periods/healthy-time.ts';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Database, Reader, Writer } from './database.ts';
import type { DeploymentKey } from './deployment-rows.ts';
import type { PaidLeasesTable, PaidServicesTable } from './period-tables.ts';
import { rowLock } from './turn-rows.ts';

export interface PaidService extends DeploymentKey {
  job: string;
  beganAt: number;
  lookedAt: number;
}

export async function insertPaidService(writer: Writer, service: PaidService): Promise<void> {
  await writer.insertInto('paid_services').values(columnsOf(service)).execute();
}

export async function savePaidService(writer: Writer, service: PaidService): Promise<void> {
  const { job_id, ...columns } = columnsOf(service);
  await writer.updateTable('paid_services').set(columns).where('job_id', '=', job_id).execute();
}

export async function deletePaidService(writer: Writer, job: string): Promise<void> {
  await writer.deleteFrom('paid_leases').where('job_id', '=', job).execute();
  await writer.deleteFrom('paid_services').where('job_id', '=', job).execute();
}

/** Of one deployment, or of all; by job. */
export async function readPaidServices(reader: Reader, key: DeploymentKey | null): Promise<PaidService[]> {
  let query = reader.selectFrom('paid_services').selectAll().orderBy('job_id');
  if (key !== null) query = query.where('principal', '=', key.principal).where('name', '=', key.name);
  return (await query.execute()).map(({ job_id: job, principal, name, began_at, looked_at }) => {
    return { job, principal, name, beganAt: began_at, lookedAt: looked_at };
  });
}

function columnsOf({ job, principal, name, beganAt, lookedAt }: PaidService): PaidServicesTable {
  return { job_id: job, principal, name, began_at: beganAt, looked_at: lookedAt };
}

export interface PaidJob {
  id: string;
  escrow: string;
  hasEnded: boolean;
}

/** Those of the jobs that are there, by id; `lock`: until the end of the transaction, in that order. */
export async function readPaidJobs(
  reader: Reader,
  jobs: readonly string[],
  lock: Database['engine'] | null,
): Promise<PaidJob[]> {
  if (jobs.length === 0) return [];
  const { rows } = await sql<{ id: string; escrow: string | null; ended_at: number | null }>`
    SELECT id, escrow, ended_at FROM jobs WHERE id IN (${sql.join(jobs)}) ORDER BY id
    ${lock === null ? sql`` : rowLock(lock, 'FOR UPDATE')}`.execute(reader);
  return rows.flatMap(({ id, escrow, ended_at }) => {
    return escrow === null ? [] : [{ id, escrow, hasEnded: ended_at !== null }];
  });
}

export async function readKnownLeases(reader: Reader, job: string): Promise<KnownLease[]> {
  const rows = await reader
    .selectFrom('paid_leases')
    .selectAll()
    .where('job_id', '=', job)
    .orderBy('partition')
    .orderBy('fence')
    .execute();
  return rows.map((row: PaidLeasesTable) => ({
    partition: row.partition,
    fence: row.fence,
    payee: row.payee,
    price: row.price,
    restarts: row.restarts,
    healthySince: row.healthy_since,
    healthyMilliseconds: row.healthy_milliseconds,
  }));
}

const SAVE_LEASES: BulkStatement = {
  text: `INSERT INTO paid_leases (job_id, partition, fence, payee, price, restarts, healthy_since, healthy_milliseconds)
    SELECT job_id, partition, fence, payee, price, restarts, healthy_since, healthy_milliseconds FROM ROWS AS d WHERE true
    ON CONFLICT (job_id, partition, fence) DO UPDATE SET restarts = excluded.restarts,
      healthy_since = excluded.healthy_since, healthy_milliseconds = excluded.healthy_milliseconds`,
  columns: {
    job_id: 'text',
    partition: 'integer',
    fence: 'integer',
    payee: 'text',
    price: 'bigint',
    restarts: 'integer',
    healthy_since: 'bigint',
    healthy_milliseconds: 'bigint',
  },
};

export async function saveKnownLeases(writer: Writer, job: string, leases: readonly KnownLease[]): Promise<void> {
  await runBulk(
    writer,
    SAVE_LEASES,
    leases.map(({ partition, fence, payee, price, restarts, healthySince, healthyMilliseconds }) => {
      return [job, partition, fence, payee, price, restarts, healthySince, healthyMilliseconds];
    }),
  );
}

const DELETE_LEASES: BulkStatement = {
  text: `DELETE FROM paid_leases WHERE (job_id, partition, fence) IN (SELECT job_id, partition, fence FROM ROWS AS d)`,
  columns: { job_id: 'text', partition: 'integer', fence: 'integer' },
};

export async function deleteKnownLeases(
  writer: Writer,
  job: string,
  leases: readonly Pick<KnownLease, 'partition' | 'fence'>[],
): Promise<void> {
  await runBulk(
    writer,
    DELETE_LEASES,
    leases.map(({ partition, fence }) => [job, partition, fence]),
  );
}

/** An attempt of a replica, and what is known of its node. */
export interface ReplicaAttempt {
  partition: number;
  fence: number;
  state: AttemptState;
  price: number | null;
  payee: string | null;
  startedAt: number | null;
  endedAt: number | null;
  health: string | null;
  nodeState: string;
  nodeSeenAt: number;
}

export interface PaidReplica {
  partition: number;
  leaving: boolean;
  taskState: TaskState;
  /** Of the task. */
  fence: number;
  /** Its newest attempt that its node is believed to be at; null without one. */
  attempt: ReplicaAttempt | null;
}

interface AttemptColumns {
  attempt_fence: number | null;
  attempt_state: string;
  price: number | null;
  payee: string | null;
  started_at: number | null;
  ended_at: number | null;
  health: string | null;
  node_state: string;
  last_seen_at: number;
}

const ATTEMPT_COLUMNS = `a.fence AS attempt_fence, a.state AS attempt_state, a.price, a.payee, a.started_at, a.ended_at,
  a.health, n.state AS node_state, n.last_seen_at`;

const LOAD_REPLICAS: BulkStatement = {
  text: `SELECT r.partition, r.leaving, t.state, t.fence, ${ATTEMPT_COLUMNS}
    FROM ROWS AS k CROSS JOIN deployment_replicas r
    JOIN tasks t ON t.job_id = r.job_id AND t.partition = r.partition
    LEFT JOIN attempts a ON a.job_id = r.job_id AND a.partition = r.partition AND a.fence = (
      SELECT MAX(p.fence) FROM attempts p WHERE p.job_id = r.job_id AND p.partition = r.partition
      AND p.state IN ('leased', 'preparing', 'running', 'suspended', 'uploading'))
    LEFT JOIN nodes n ON n.id = a.node_id
    WHERE r.job_id = k.job_id ORDER BY r.partition`,
  columns: { job_id: 'text' },
};

/** Those of a job whose tasks may have ended too, by partition. */
export async function readPaidReplicas(reader: Reader, job: string): Promise<PaidReplica[]> {
  type Columns = AttemptColumns & { partition: number; leaving: number; state: string; fence: number };
  const rows = await runBulk<Columns>(reader, LOAD_REPLICAS, [[job]]);
  return rows.map(({ partition, leaving, state, fence, ...row }) => {
    return {
      partition,
      leaving: leaving === 1,
      taskState: state as TaskState,
      fence,
      attempt: attemptOf(partition, row),
    };
  });
}

const LOAD_ATTEMPTS: BulkStatement = {
  text: `SELECT a.partition, ${ATTEMPT_COLUMNS} FROM ROWS AS k CROSS JOIN attempts a JOIN nodes n ON n.id = a.node_id
    WHERE a.job_id = k.job_id AND a.partition = k.partition AND a.fence = k.fence`,
  columns: { job_id: 'text', partition: 'integer', fence: 'integer' },
};

/** What has become of these. */
export async function readAttemptsOf(
  reader: Reader,
  job: string,
  leases: readonly Pick<KnownLease, 'partition' | 'fence'>[],
): Promise<ReplicaAttempt[]> {
  const rows = await runBulk<AttemptColumns & { partition: number }>(
    reader,
    LOAD_ATTEMPTS,
    leases.map(({ partition, fence }) => [job, partition, fence]),
  );
  return rows.flatMap(({ partition, ...row }) => attemptOf(partition, row) ?? []);
}

function attemptOf(partition: number, row: AttemptColumns): ReplicaAttempt | null {
  if (row.attempt_fence === null) return null;
  return {
    partition,
    fence: row.attempt_fence,
    state: row.attempt_state as AttemptState,
    price: row.price,
    payee: row.payee,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    health: row.health,
    nodeState: row.node_state,
    nodeSeenAt: row.last_seen_at,
  };
}

const MARK_LEAVING: BulkStatement = {
  text: `UPDATE deployment_replicas SET leaving = 1 FROM ROWS AS d
    WHERE deployment_replicas.job_id = d.job_id AND deployment_replicas.partition = d.partition`,
  columns: { job_id: 'text', partition: 'integer' },
};

/** The row of their deployment is locked; the next look at it ends them. */
export async function markLeaving(writer: Writer, job: string, partitions: readonly number[]): Promise<void> {
  await runBulk(
    writer,
    MARK_LEAVING,
    partitions.map((partition) => [job, partition]),
  );
}
