/** Verified tasks for which time alone decides something, and those that wait for another replica though decided. */
import type { ComparatorChoice } from '@fog/contract';
import { sql } from 'kysely';
import { DISPATCH_LIMITS } from '../../limits.ts';
import { type BulkStatement, runBulk } from '../../store/bulk.ts';
import type { Database, Reader } from '../../store/database.ts';
import { readPlacementNodes } from '../../store/node-queries.ts';
import type { Dispatcher } from '../dispatcher.ts';
import type { DispatcherInput } from '../inputs.ts';
import type { JobCache } from '../job-cache.ts';
import type { PlacementClasses } from '../placement-classes.ts';
import { hurdleOf } from '../requirements.ts';
import { compareByScript } from './comparison-runs.ts';
import { comparePending, type ReadBlob, type TaskName } from './comparisons.ts';
import { isComparing, readRecord, type VerificationRecord } from './record.ts';

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
  const { database, dispatcher, classes, jobCache, now } = dependencies;
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
  const waiting: [string, number, number][] = [];
  for (const row of rows) {
    const name = { job: row.job_id, partition: row.partition };
    const record = row.verification === null ? null : readRecord(row.verification);
    const compare = jobCache.find(row.job_id)?.verification?.compare ?? 'exact';
    if (record === null || compare === 'exact' || !isComparing(record)) {
      const classId = row.class_id;
      dispatcher.take({ kind: 'verification-due', name, classId, isPlaceable: placeable.has(classId) });
      continue;
    }
    const answers = await compareResults(name, record, compare, dependencies);
    dispatcher.take(...answers);
    if (answers.length === 0) waiting.push([name.job, name.partition, now()]);
  }
  // Runs of scripts take their time: others come first.
  if (waiting.length > 0) await database.write((writer) => runBulk(writer, POSTPONE, waiting));
  await dispatcher.settled();
}

async function compareResults(
  name: TaskName,
  record: VerificationRecord,
  compare: Exclude<ComparatorChoice, 'exact'>,
  dependencies: DueTasksDependencies,
): Promise<DispatcherInput[]> {
  if ('script' in compare) return await compareByScript(name, record, compare.script, dependencies);
  const { database, readBlob } = dependencies;
  return await comparePending(name, record, compare.tolerance, { reader: database.read, readBlob });
}

const POSTPONE: BulkStatement = {
  text: `UPDATE tasks SET verification_due = d.due FROM ROWS AS d
    WHERE tasks.job_id = d.job_id AND tasks.partition = d.partition AND tasks.verification_due < d.due`,
  columns: { job_id: 'text', partition: 'integer', due: 'bigint' },
};

/** Where the queue of decided tasks begins, for each of its classes. */
export async function reverifyingHeads(reader: Reader): Promise<{ class_id: string; rank: number; job_id: string }[]> {
  const { rows } = await sql<{ class_id: string; rank: number; job_id: string }>`
    SELECT class_id, rank, MIN(job_id) AS job_id FROM tasks WHERE reverifying = 1
    GROUP BY class_id, rank LIMIT ${sql.lit(DISPATCH_LIMITS.sweepRows)}`.execute(reader);
  return rows;
}
