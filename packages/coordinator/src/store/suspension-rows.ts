/** What a turn loads and saves of checkpoints and suspensions. Few turns have any: they cost the others no column. */

import type { AttemptName } from '@fog/contract';
import { sql } from 'kysely';
import type { Turn } from '../dispatch/turn.ts';
import type { TurnTask } from '../dispatch/turn-records.ts';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Reader, Writer } from './database.ts';

export interface CheckpointColumns {
  suspended_at: number | null;
  checkpoint_manifest: string | null;
  checkpoint_bytes: number | null;
  checkpoint_files: number | null;
  checkpoint_fence: number | null;
  checkpoint_at: number | null;
}

/** The columns as `LOAD_TASKS` lists them. */
export const CHECKPOINT_COLUMNS = `t.suspended_at, t.checkpoint_manifest, t.checkpoint_bytes, t.checkpoint_files,
      t.checkpoint_fence, t.checkpoint_at`;

export function toCheckpoint(row: CheckpointColumns): TurnTask['checkpoint'] {
  if (row.checkpoint_manifest === null) return null;
  return {
    manifest: row.checkpoint_manifest,
    bytes: row.checkpoint_bytes ?? 0,
    files: row.checkpoint_files ?? 0,
    fence: row.checkpoint_fence ?? 0,
    at: row.checkpoint_at ?? 0,
  };
}

/**
 * Runs before the rows of tasks are updated, in whose statement `suspended_at` then says whether a task that goes back
 * into the queue is parked. A suspended task has no deadline in the queue any more: timeouts.total bounds it.
 */
const SAVE_SUSPENSIONS: BulkStatement = {
  text: `UPDATE tasks SET suspended_at = d.suspended_at, queue_deadline = NULL, not_before = NULL,
      parked = CASE WHEN tasks.state = 'queued' AND d.suspended_at IS NOT NULL THEN 1 ELSE 0 END
    FROM ROWS AS d
    WHERE tasks.job_id = d.job_id AND tasks.partition = d.partition AND tasks.state = d.was AND tasks.fence = d.fence
    RETURNING tasks.partition`,
  columns: { job_id: 'text', partition: 'integer', fence: 'integer', was: 'text', suspended_at: 'bigint' },
};

/** `wasOf` is the state in which a task was read. Answers whether all tasks still were in it. */
export async function saveSuspensions(writer: Writer, turn: Turn, wasOf: (task: TurnTask) => string): Promise<boolean> {
  const rows = [...turn.suspensions.changedSuspensions].map((task) => {
    return [task.job, task.partition, task.fence, wasOf(task), task.suspendedAt];
  });
  return (await runBulk(writer, SAVE_SUSPENSIONS, rows)).length === rows.length;
}

/** Runs after the rows of tasks were updated; `had` is the checkpoint that the decision was made on. */
const SAVE_CHECKPOINTS: BulkStatement = {
  text: `UPDATE tasks SET checkpoint_manifest = d.manifest, checkpoint_bytes = d.bytes, checkpoint_files = d.files,
      checkpoint_fence = d.of_fence, checkpoint_at = d.at
    FROM ROWS AS d
    WHERE tasks.job_id = d.job_id AND tasks.partition = d.partition AND tasks.state = d.state
      AND COALESCE(tasks.checkpoint_fence, 0) = d.had_fence AND COALESCE(tasks.checkpoint_manifest, '') = d.had
    RETURNING tasks.partition`,
  columns: {
    job_id: 'text',
    partition: 'integer',
    state: 'text',
    had: 'text',
    had_fence: 'integer',
    manifest: 'text',
    bytes: 'bigint',
    files: 'integer',
    of_fence: 'integer',
    at: 'bigint',
  },
};

/** Answers whether all tasks still had the checkpoint that was read. */
export async function saveCheckpoints(writer: Writer, turn: Turn): Promise<boolean> {
  const rows = [...turn.suspensions.changedCheckpoints].map(([task, had]) => {
    const { manifest = null, bytes = null, files = null, fence = null, at = null } = task.checkpoint ?? {};
    const before = [had?.manifest ?? '', had?.fence ?? 0];
    return [task.job, task.partition, task.state, ...before, manifest, bytes, files, fence, at];
  });
  return (await runBulk(writer, SAVE_CHECKPOINTS, rows)).length === rows.length;
}

export interface UnheededRow extends AttemptName {
  node: string;
  /** Of its task; null where the attempt is to go on. */
  suspendedAt: number | null;
}

/** Attempts, of one job or of all, that are not as their tasks ask: those that run though suspended, and the reverse. */
export async function unheededSuspensions(reader: Reader, job: string | null): Promise<UnheededRow[]> {
  const ofJob = job === null ? sql`` : sql`AND t.job_id = ${job}`;
  const { rows } = await sql<UnheededRow>`
    SELECT a.job_id AS job, a.partition, a.fence, a.node_id AS node, t.suspended_at AS "suspendedAt"
    FROM tasks t JOIN attempts a ON a.job_id = t.job_id AND a.partition = t.partition
    WHERE t.suspended_at IS NOT NULL AND t.state IN ('scheduled', 'running')
      AND a.state IN ('leased', 'preparing', 'running') ${ofJob}
    UNION ALL
    SELECT a.job_id AS job, a.partition, a.fence, a.node_id AS node, t.suspended_at AS "suspendedAt"
    FROM attempts a JOIN tasks t ON t.job_id = a.job_id AND t.partition = a.partition
    WHERE a.state = 'suspended' AND t.suspended_at IS NULL ${ofJob}`.execute(reader);
  return rows;
}
