/** What the preemption of spot work reads of the queue and of attempts. */
import type { AttemptName } from '@fog/contract';
import { sql } from 'kysely';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Reader } from './database.ts';

/** How many tasks of the class wait for a place; counts to `most`. */
export async function waitingTasks(reader: Reader, classId: string, most: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    SELECT COUNT(*) AS count FROM (SELECT 1 AS one FROM tasks
      WHERE class_id = ${classId} AND state = 'queued' AND parked = 0 LIMIT ${most}) AS head`.execute(reader);
  return Number(rows[0]?.count ?? 0);
}

const AT_WORK: BulkStatement = {
  text: `SELECT a.job_id, a.partition, a.fence, a.started_at, t.checkpoint_at
    FROM ROWS AS k CROSS JOIN attempts a JOIN tasks t ON t.job_id = a.job_id AND t.partition = a.partition
    WHERE a.job_id = k.job_id AND a.partition = k.partition AND a.fence = k.fence
      AND a.state IN ('leased', 'preparing', 'running', 'suspended')`,
  columns: { job_id: 'text', partition: 'integer', fence: 'integer' },
};

/** Of these attempts those at work, when they began, and since when their work would be lost; null while nothing has been done. */
export async function safeTimes(
  reader: Reader,
  names: readonly AttemptName[],
): Promise<{ name: AttemptName; startedAt: number | null; safeAt: number | null }[]> {
  const rows = await runBulk<{
    job_id: string;
    partition: number;
    fence: number;
    started_at: number | null;
    checkpoint_at: number | null;
  }>(
    reader,
    AT_WORK,
    names.map(({ job, partition, fence }) => [job, partition, fence]),
  );
  return rows.map((row) => ({
    name: { job: row.job_id, partition: row.partition, fence: row.fence },
    startedAt: row.started_at,
    safeAt: row.started_at === null ? null : Math.max(row.started_at, row.checkpoint_at ?? 0),
  }));
}
