/** Verified tasks for which time alone decides something, and those that wait for another replica though decided. */
import type { Tolerance, VerificationPolicy } from '@fog/contract';
import { sql } from 'kysely';
import { DISPATCH_LIMITS } from '../../limits.ts';
import type { Database, Reader } from '../../store/database.ts';
import { readPlacementNodes } from '../../store/node-queries.ts';
import type { Dispatcher } from '../dispatcher.ts';
import type { JobCache } from '../job-cache.ts';
import type { PlacementClasses } from '../placement-classes.ts';
import { hurdleOf } from '../requirements.ts';
import { comparePending, type ReadBlob } from './comparisons.ts';
import { isComparing, readRecord } from './record.ts';

export interface DueTasksDependencies {
  database: Database;
  dispatcher: Dispatcher;
  classes: PlacementClasses;
  jobCache: JobCache;
  /** Null when the blob is not there, or larger. */
  readBlob: ReadBlob;
  now: () => number;
}

/** Hands them to the dispatcher, with whether any connected node could take what they want, or whether results agree. */
export async function tellDueVerifications(dependencies: DueTasksDependencies): Promise<void> {
  const { database, dispatcher, classes, jobCache, readBlob, now } = dependencies;
  const rows = await database.read
    .selectFrom('tasks')
    .select(['job_id', 'partition', 'class_id', 'verification'])
    .where('verification_due', 'is not', null)
    .where('verification_due', '<=', now())
    .orderBy('verification_due')
    .limit(DISPATCH_LIMITS.sweepRows)
    .execute();
  if (rows.length === 0) return;
  const nodes = await readPlacementNodes(database.read);
  const placements = await classes.load(database.read, [...new Set(rows.map((row) => row.class_id))]);
  const placeable = new Set(
    placements.filter((placement) => nodes.some((node) => hurdleOf(placement, node) === null)).map(({ id }) => id),
  );
  await jobCache.load(
    database.read,
    rows.map((row) => row.job_id),
  );
  for (const row of rows) {
    const name = { job: row.job_id, partition: row.partition };
    const record = row.verification === null ? null : readRecord(row.verification);
    const tolerance = toleranceOf(jobCache.find(row.job_id)?.verification ?? null);
    if (record === null || tolerance === null || !isComparing(record)) {
      dispatcher.take({ kind: 'verification-due', name, isPlaceable: placeable.has(row.class_id) });
    } else {
      dispatcher.take(...(await comparePending(name, record, tolerance, { reader: database.read, readBlob })));
    }
  }
  await dispatcher.settled();
}

function toleranceOf(policy: VerificationPolicy | null): Tolerance | null {
  const compare = policy?.compare ?? 'exact';
  return compare !== 'exact' && 'tolerance' in compare ? compare.tolerance : null;
}

/** Where the queue of decided tasks begins, for each of its classes. */
export async function reverifyingHeads(reader: Reader): Promise<{ class_id: string; rank: number; job_id: string }[]> {
  const { rows } = await sql<{ class_id: string; rank: number; job_id: string }>`
    SELECT class_id, rank, MIN(job_id) AS job_id FROM tasks WHERE reverifying = 1
    GROUP BY class_id, rank LIMIT ${sql.lit(DISPATCH_LIMITS.sweepRows)}`.execute(reader);
  return rows;
}
