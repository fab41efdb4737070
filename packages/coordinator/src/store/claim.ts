/** Takes tasks from the head of the queue. The cost does not depend on the length of the queue. */
import { type RawBuilder, sql } from 'kysely';
import type { QueueHead } from '../dispatch/queue-hints.ts';
import type { Database, Writer } from './database.ts';
import { rowLock } from './turn-rows.ts';

export interface ClaimedTask {
  job: string;
  partition: number;
  fence: number;
}

/**
 * Leases up to `most` queued tasks of a class, in order, none behind `until`. The caller gives each to a node in the
 * same transaction. Tasks that another coordinator is claiming at this moment are skipped.
 */
export async function claimTasks(
  writer: Writer,
  engine: Database['engine'],
  request: { classId: string; most: number; until: QueueHead | null },
): Promise<ClaimedTask[]> {
  const { classId, most, until } = request;
  // Materialized: PostgreSQL may run a plain subquery again for each row, and with SKIP LOCKED find other rows each time.
  const { rows } = await sql<{ job_id: string; partition: number; fence: number }>`
    WITH picked AS MATERIALIZED (
      SELECT job_id, partition FROM tasks
      WHERE class_id = ${classId} AND state = 'queued' AND parked = 0 ${notBehind(until)}
      ORDER BY rank, job_id, partition LIMIT ${most} ${rowLock(engine, 'FOR UPDATE SKIP LOCKED')})
    UPDATE tasks SET state = 'scheduled', fence = fence + 1, queue_deadline = NULL, not_before = NULL
    WHERE (job_id, partition) IN (SELECT job_id, partition FROM picked)
    RETURNING job_id, partition, fence`.execute(writer);
  const claimed = rows.map((row) => ({ job: row.job_id, partition: row.partition, fence: row.fence }));
  return claimed.sort((left, right) =>
    left.job === right.job ? left.partition - right.partition : left.job < right.job ? -1 : 1,
  );
}

/** The first queued task of a class, or null. */
export async function queueHead(writer: Writer, classId: string): Promise<QueueHead | null> {
  const { rows } = await sql<{ rank: number; job_id: string }>`
    SELECT rank, job_id FROM tasks WHERE class_id = ${classId} AND state = 'queued' AND parked = 0
    ORDER BY rank, job_id, partition LIMIT 1`.execute(writer);
  return rows[0] === undefined ? null : { rank: rows[0].rank, job: rows[0].job_id };
}

function notBehind(until: QueueHead | null): RawBuilder<unknown> {
  if (until === null) return sql``;
  return sql`AND (rank < ${until.rank} OR (rank = ${until.rank} AND job_id <= ${until.job}))`;
}
