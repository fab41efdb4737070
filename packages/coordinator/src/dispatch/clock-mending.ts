/** What a clock that was set back has left behind. */
import { parseDuration } from '@fog/contract';
import { sql } from 'kysely';
import { DISPATCH_LIMITS } from '../limits.ts';
import type { Database } from '../store/database.ts';
import type { JobCache } from './job-cache.ts';

export interface ClockMendingDependencies {
  database: Database;
  jobCache: JobCache;
  now: () => number;
}

/**
 * Moments that lie further ahead than they can, because the clock was set back since: nothing shall wait for the
 * clock to catch up.
 */
export async function mendTimes({ database, jobCache, now }: ClockMendingDependencies): Promise<void> {
  const at = now();
  const ahead = await database.read
    .selectFrom('tasks')
    .select('job_id')
    .distinct()
    .where('state', '=', 'queued')
    .where('parked', '=', 1)
    .where('not_before', '>', at + 1000)
    .limit(DISPATCH_LIMITS.sweepRows)
    .execute();
  await jobCache.load(
    database.read,
    ahead.map((row) => row.job_id),
  );
  for (const { job_id: id } of ahead) {
    const longest = at + parseDuration(jobCache.get(id).spec.spec.retry.backoff.max);
    const isStale = await database.read
      .selectFrom('tasks')
      .select('partition')
      .where('job_id', '=', id)
      .where('parked', '=', 1)
      .where('not_before', '>', longest)
      .limit(1)
      .executeTakeFirst();
    if (isStale === undefined) continue;
    await database.write((writer) =>
      sql`UPDATE tasks SET not_before = ${at} WHERE job_id = ${id} AND state = 'queued' AND parked = 1
        AND not_before > ${longest}`.execute(writer),
    );
  }
  const future = await database.read.selectFrom('nodes').select('id').where('silent_since', '>', at).execute();
  for (const { id } of future) {
    await database.write((writer) =>
      sql`UPDATE nodes SET silent_since = ${at} WHERE id = ${id} AND silent_since > ${at}`.execute(writer),
    );
  }
}
