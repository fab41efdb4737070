/** The jobs of living deployments never end, so what happened to them is cut at the far end. */
import { sql } from 'kysely';
import { DEPLOYMENT_LIMITS, DISPATCH_LIMITS } from '../limits.ts';
import { type BulkStatement, runBulk } from '../store/bulk.ts';
import type { Database } from '../store/database.ts';
import { LIVE_STATES } from '../store/live-attempts.ts';

/** Keeps the newest attempts of each replica and the newest records of each job; a stream then begins later than at 1. */
export async function cutHistory(
  database: Database,
  { keptAttempts, keptRecords }: { keptAttempts: number; keptRecords: number } = DEPLOYMENT_LIMITS,
): Promise<void> {
  const jobs = await database.read
    .selectFrom('jobs')
    .select(['id', 'next_sequence'])
    .where('deployment', 'is not', null)
    .where('ended_at', 'is', null)
    .execute();
  for (const { id, next_sequence: next } of jobs) {
    await cutAttempts(database, id, keptAttempts);
    const last = next - 1 - keptRecords;
    if (last < 1) continue;
    await cutRecords(database, 'events', 'stream', id, last);
    await cutRecords(database, 'logs', 'job_id', id, last);
  }
}

const DELETE_SAMPLES: BulkStatement = {
  text: `DELETE FROM samples WHERE (job_id, partition, fence) IN (SELECT job_id, partition, fence FROM ROWS AS d)`,
  columns: { job_id: 'text', partition: 'integer', fence: 'integer' },
};

async function cutAttempts(database: Database, job: string, kept: number): Promise<void> {
  await database.write(async (writer) => {
    const { rows } = await sql<{ partition: number; fence: number }>`DELETE FROM attempts
      WHERE job_id = ${job} AND state NOT IN ${sql.raw(LIVE_STATES)} AND fence + ${sql.lit(kept)} <= (
        SELECT t.fence FROM tasks t WHERE t.job_id = attempts.job_id AND t.partition = attempts.partition)
      RETURNING partition, fence`.execute(writer);
    await runBulk(
      writer,
      DELETE_SAMPLES,
      rows.map(({ partition, fence }) => [job, partition, fence]),
    );
  });
}

/** In steps that hold the database for a short time each. */
async function cutRecords(
  database: Database,
  table: 'events' | 'logs',
  column: 'stream' | 'job_id',
  job: string,
  last: number,
): Promise<void> {
  const [from, key] = [sql.table(table), sql.ref(column)];
  for (;;) {
    const { numAffectedRows } = await database.write((writer) =>
      sql`DELETE FROM ${from} WHERE ${key} = ${job} AND sequence IN (SELECT sequence FROM ${from}
        WHERE ${key} = ${job} AND sequence <= ${last} ORDER BY sequence LIMIT ${sql.lit(DISPATCH_LIMITS.jobStep)})`.execute(
        writer,
      ),
    );
    if ((numAffectedRows ?? 0n) < BigInt(DISPATCH_LIMITS.jobStep)) return;
  }
}
