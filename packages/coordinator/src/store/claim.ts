/** Takes tasks from the head of the queue. The cost does not depend on the length of the queue. */
import { type RawBuilder, sql } from 'kysely';
import type { QueueHead } from '../dispatch/queue-hints.ts';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Database, Writer } from './database.ts';
import { rowLock } from './turn-rows.ts';

export interface ClaimedTask {
  job: string;
  partition: number;
  fence: number;
  /** Manifest of the checkpoint from which it goes on. */
  checkpoint: string | null;
  /** When it would have been given up; null once it had a node, or was suspended, and for replicas. */
  queueDeadline: number | null;
}

interface ClaimedRow {
  job_id: string;
  partition: number;
  fence: number;
  checkpoint_manifest: string | null;
  queue_deadline: number | null;
}

/**
 * Leases up to `most` queued tasks of a class, in order, none behind `until`. The caller gives each to a node in the
 * same transaction. `isAgain`: not undecided tasks, but those that are verified again. Tasks that another coordinator is claiming at this moment are skipped.
 *
 * Two statements: one that reads and changes makes SQLite build three tables for itself, which takes longer than all
 * the rest of a claim.
 */
export async function claimTasks(
  writer: Writer,
  engine: Database['engine'],
  request: { classId: string; most: number; until: QueueHead | null; isAgain?: boolean },
): Promise<ClaimedTask[]> {
  const { classId, most, until, isAgain = false } = request;
  const { rows } = await sql<ClaimedRow>`
    SELECT job_id, partition, fence, checkpoint_manifest, queue_deadline FROM tasks
    WHERE class_id = ${classId} AND ${isAgain ? REVERIFYING : WAITING} ${notBehind(until)}
    ORDER BY rank, job_id, partition LIMIT ${most} ${rowLock(engine, 'FOR UPDATE SKIP LOCKED')}`.execute(writer);
  const claimed = rows.map((row) => {
    return {
      job: row.job_id,
      partition: row.partition,
      fence: row.fence + 1,
      checkpoint: row.checkpoint_manifest,
      queueDeadline: row.queue_deadline,
    };
  });
  const values = claimed.map(({ job, partition, fence }) => [job, partition, fence]);
  await runBulk(writer, isAgain ? REVERIFY_TASKS : SCHEDULE_TASKS, values);
  return claimed;
}

const SCHEDULE_TASKS: BulkStatement = {
  text: `UPDATE tasks SET state = 'scheduled', fence = d.fence, queue_deadline = NULL, not_before = NULL
    FROM ROWS AS d WHERE tasks.job_id = d.job_id AND tasks.partition = d.partition`,
  columns: { job_id: 'text', partition: 'integer', fence: 'integer' },
};

const REVERIFY_TASKS: BulkStatement = {
  text: `UPDATE tasks SET fence = d.fence, reverifying = 0
    FROM ROWS AS d WHERE tasks.job_id = d.job_id AND tasks.partition = d.partition`,
  columns: { job_id: 'text', partition: 'integer', fence: 'integer' },
};

/** Conditions that the partial indexes of the two queues serve. */
const WAITING = sql`state = 'queued' AND parked = 0`;
const REVERIFYING = sql`reverifying = 1`;

const GIVE_BACK_TASKS: BulkStatement = {
  text: `UPDATE tasks SET state = CASE WHEN state = 'scheduled' THEN 'queued' ELSE state END, fence = d.fence - 1,
      parked = CASE WHEN state = 'scheduled' THEN 1 ELSE parked END, not_before = d.not_before,
      queue_deadline = CASE WHEN state = 'scheduled' THEN d.queue_deadline ELSE tasks.queue_deadline END
    FROM ROWS AS d WHERE tasks.job_id = d.job_id AND tasks.partition = d.partition`,
  columns: { job_id: 'text', partition: 'integer', fence: 'integer', not_before: 'bigint', queue_deadline: 'bigint' },
};

/**
 * Puts tasks back that were claimed in this transaction and could not be given to anybody, for a pause: whoever would
 * claim them at once would find the same. Those that were decided go on with the next look at them.
 */
export async function giveBackTasks(writer: Writer, tasks: readonly ClaimedTask[], notBefore: number): Promise<void> {
  await runBulk(
    writer,
    GIVE_BACK_TASKS,
    tasks.map(({ job, partition, fence, queueDeadline }) => [job, partition, fence, notBefore, queueDeadline]),
  );
}

/** The first waiting task of a class, or null. */
export async function queueHead(writer: Writer, classId: string, isAgain = false): Promise<QueueHead | null> {
  const { rows } = await sql<{ rank: number; job_id: string }>`
    SELECT rank, job_id FROM tasks WHERE class_id = ${classId} AND ${isAgain ? REVERIFYING : WAITING}
    ORDER BY rank, job_id, partition LIMIT 1`.execute(writer);
  return rows[0] === undefined ? null : { rank: rows[0].rank, job: rows[0].job_id };
}

function notBehind(until: QueueHead | null): RawBuilder<unknown> {
  if (until === null) return sql``;
  return sql`AND (rank < ${until.rank} OR (rank = ${until.rank} AND job_id <= ${until.job}))`;
}
