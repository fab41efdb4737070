/** Which jobs wait for which. `jobs.waits` is 1 until that is decided. */
import type { JobState } from '@fog/contract';
import { sql } from 'kysely';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Reader, Writer } from './database.ts';

/** A job that another waits for. */
export interface NeededJob {
  id: string;
  /** Null when there is no such job any more. */
  state: JobState | null;
}

const INSERT_DEPENDENCIES: BulkStatement = {
  text: 'INSERT INTO job_dependencies (job_id, needs_id) SELECT DISTINCT job_id, needs_id FROM ROWS AS d',
  columns: { job_id: 'text', needs_id: 'text' },
};

/** The job, which has no tasks yet, waits for these. */
export async function insertDependencies(writer: Writer, jobId: string, needed: readonly string[]): Promise<void> {
  await runBulk(
    writer,
    INSERT_DEPENDENCIES,
    needed.map((id) => [jobId, id]),
  );
  await writer.updateTable('jobs').set({ waits: 1 }).where('id', '=', jobId).execute();
}

/** What the job waits for, or waited for, in the order of the ids. */
export async function readNeeded(reader: Reader, jobId: string): Promise<NeededJob[]> {
  return await reader
    .selectFrom('job_dependencies')
    .leftJoin('jobs', 'jobs.id', 'job_dependencies.needs_id')
    .select(['job_dependencies.needs_id as id', 'jobs.state'])
    .where('job_dependencies.job_id', '=', jobId)
    .orderBy('job_dependencies.needs_id')
    .$castTo<NeededJob>()
    .execute();
}

/** Jobs that wait for one of these. */
export async function waitingFor(reader: Reader, needed: readonly string[], most: number): Promise<string[]> {
  const rows = await reader
    .selectFrom('job_dependencies')
    .innerJoin('jobs', 'jobs.id', 'job_dependencies.job_id')
    .select('jobs.id')
    .distinct()
    .where('job_dependencies.needs_id', 'in', needed)
    .where('jobs.waits', '=', sql.lit(1))
    .limit(most)
    .execute();
  return rows.map(({ id }) => id);
}

/** Of these the jobs that have ended, or are gone. */
export async function endedAmong(reader: Reader, ids: readonly string[]): Promise<string[]> {
  const rows = await reader.selectFrom('jobs').select(['id', 'ended_at']).where('id', 'in', ids).execute();
  const live = new Set(rows.filter(({ ended_at }) => ended_at === null).map(({ id }) => id));
  return ids.filter((id) => !live.has(id));
}

/** Jobs that wait although what they wait for is decided. */
export async function readDecidable(reader: Reader, most: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    SELECT j.id FROM jobs j WHERE j.waits = 1 AND j.ended_at IS NULL AND j.closing IS NULL AND (
      NOT EXISTS (SELECT 1 FROM job_dependencies d LEFT JOIN jobs n ON n.id = d.needs_id
        WHERE d.job_id = j.id AND (n.id IS NULL OR n.state <> 'completed'))
      OR EXISTS (SELECT 1 FROM job_dependencies d LEFT JOIN jobs n ON n.id = d.needs_id
        WHERE d.job_id = j.id AND (n.id IS NULL OR n.state IN ('failed', 'cancelled', 'expired'))))
    ORDER BY j.id LIMIT ${sql.lit(most)}`.execute(reader);
  return rows.map(({ id }) => id);
}

export async function countWaiting(reader: Reader): Promise<number> {
  const row = await reader
    .selectFrom('jobs')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('waits', '=', sql.lit(1))
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

/** Whether the job waits for others. */
export async function isWaiting(reader: Reader, jobId: string): Promise<boolean> {
  const row = await reader
    .selectFrom('jobs')
    .select('waits')
    .where('id', '=', jobId)
    .where('ended_at', 'is', null)
    .executeTakeFirst();
  return row?.waits === 1;
}
