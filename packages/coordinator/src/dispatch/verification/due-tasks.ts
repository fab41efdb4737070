/** Verified tasks for which time alone decides something, and those that wait for another replica though decided. */
import { sql } from 'kysely';
import { DISPATCH_LIMITS } from '../../limits.ts';
import type { Database, Reader } from '../../store/database.ts';
import { readPlacementNodes } from '../../store/node-queries.ts';
import type { Dispatcher } from '../dispatcher.ts';
import type { PlacementClasses } from '../placement-classes.ts';
import { hurdleOf } from '../requirements.ts';

export interface DueTasksDependencies {
  database: Database;
  dispatcher: Dispatcher;
  classes: PlacementClasses;
  now: () => number;
}

/** Hands them to the dispatcher, with whether any connected node could take what they want. */
export async function tellDueVerifications(dependencies: DueTasksDependencies): Promise<void> {
  const { database, dispatcher, classes, now } = dependencies;
  const rows = await database.read
    .selectFrom('tasks')
    .select(['job_id', 'partition', 'class_id'])
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
  dispatcher.take(
    ...rows.map((row) => ({
      kind: 'verification-due' as const,
      name: { job: row.job_id, partition: row.partition },
      isPlaceable: placeable.has(row.class_id),
    })),
  );
  await dispatcher.settled();
}

/** Where the queue of decided tasks begins, for each of its classes. */
export async function reverifyingHeads(reader: Reader): Promise<{ class_id: string; rank: number; job_id: string }[]> {
  const { rows } = await sql<{ class_id: string; rank: number; job_id: string }>`
    SELECT class_id, rank, MIN(job_id) AS job_id FROM tasks WHERE reverifying = 1
    GROUP BY class_id, rank LIMIT ${sql.lit(DISPATCH_LIMITS.sweepRows)}`.execute(reader);
  return rows;
}
