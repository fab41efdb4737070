/** What has been kept long enough is removed, so that a database in use does not grow for ever. */
import { parseDuration } from '@fog/contract';
import { VERIFICATION_LIMITS } from '@fog/verification';
import { sql } from 'kysely';
import { DISPATCH_LIMITS } from '../limits.ts';
import { ARBITRATION_LIMITS } from '../settlement/arbitration/limits.ts';
import type { Database } from '../store/database.ts';

export interface RetentionDependencies {
  database: Database;
  keepJobs: string;
  now: () => number;
}

/**
 * Removes finished jobs with all that belongs to them, what happened to nodes, tokens that nobody can use, and placement
 * classes without tasks. What is not done within `retentionMilliseconds` is left to the next time.
 */
export async function removeOld({ database, keepJobs, now }: RetentionDependencies): Promise<void> {
  const before = now() - parseDuration(keepJobs);
  await removeOldJobs(database, before);
  await removeHidden(database, now() - DISPATCH_LIMITS.checkMilliseconds);
  await database.write((writer) =>
    sql`DELETE FROM events WHERE stream >= 'n' AND stream < 'o' AND at < ${before}`.execute(writer),
  );
  await database.write((writer) =>
    writer
      .deleteFrom('tokens')
      .where(({ eb, or }) => or([eb('expires_at', '<', before), eb('revoked_at', '<', before)]))
      .execute(),
  );
  await removeReplicaClasses(database, now() - DISPATCH_LIMITS.replicaClassMilliseconds);
  await removeUnusedClasses(database, now() - DISPATCH_LIMITS.classUnusedMilliseconds);
}

async function removeOldJobs(database: Database, before: number): Promise<void> {
  const until = performance.now() + DISPATCH_LIMITS.retentionMilliseconds;
  while (performance.now() < until) {
    const old = await database.read
      .selectFrom('jobs')
      .select('id')
      .where('ended_at', '<', before)
      // Money that lies there for it would belong to nobody.
      .where('escrow_open', '=', 0)
      // A revision that may be returned to needs its specification and its blobs.
      .where(({ not, exists, selectFrom }) =>
        not(exists(selectFrom('deployment_revisions').select('revision').whereRef('job_id', '=', 'jobs.id'))),
      )
      // What others wait for is looked at once more.
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('job_dependencies')
              .innerJoin('jobs as waiting', 'waiting.id', 'job_dependencies.job_id')
              .select('waiting.id')
              .whereRef('job_dependencies.needs_id', '=', 'jobs.id')
              .where('waiting.waits', '=', 1),
          ),
        ),
      )
      .orderBy('ended_at')
      .limit(DISPATCH_LIMITS.retentionJobs)
      .execute();
    // Together, so that they share commits.
    await Promise.all(old.map(({ id }) => removeJob(database, id)));
    if (old.length < DISPATCH_LIMITS.retentionJobs) return;
  }
}

/** Hidden runs that have been read, and known answers beyond those that are put to nodes. */
async function removeHidden(database: Database, before: number): Promise<void> {
  const ended = await database.read
    .selectFrom('jobs')
    .select('id')
    .where('purpose', '<>', sql.lit('user'))
    .where('ended_at', '<', before)
    // Others of the same arbitration may take longer.
    .where(({ eb, or }) =>
      or([
        eb('purpose', '<>', sql.lit('arbitration')),
        eb('ended_at', '<', before - ARBITRATION_LIMITS.runMilliseconds),
      ]),
    )
    .limit(DISPATCH_LIMITS.retentionJobs)
    .execute();
  await Promise.all(ended.map(({ id }) => removeJob(database, id)));
  await database.write((writer) =>
    sql`DELETE FROM known_answers WHERE (job_id, partition) IN (SELECT job_id, partition FROM
      (SELECT job_id, partition, ROW_NUMBER() OVER (PARTITION BY runtime ORDER BY made_at DESC) AS place
        FROM known_answers) AS ranked
      WHERE place > ${sql.lit(VERIFICATION_LIMITS.knownAnswers)})`.execute(writer),
  );
}

/** A class is looked up by those who have used it lately, tasks or not; see PlacementClasses. */
async function removeUnusedClasses(database: Database, before: number): Promise<void> {
  const some = await database.read
    .selectFrom('placement_classes')
    .select('id')
    .where('used_at', '<', before)
    .limit(1)
    .executeTakeFirst();
  if (some === undefined) return;
  await database.write((writer) =>
    sql`DELETE FROM placement_classes WHERE used_at < ${before}
      AND id NOT IN (SELECT class_id FROM tasks)`.execute(writer),
  );
}

/** Only a waiting task needs its class: a task that waits again is given a new one. All parts of the query have indexes. */
async function removeReplicaClasses(database: Database, before: number): Promise<void> {
  await database.write((writer) =>
    sql`DELETE FROM placement_classes
      WHERE used_at < ${before} AND (requirements LIKE '%"excluded":%' OR requirements LIKE '%"reverify":%')
      AND NOT EXISTS (SELECT 1 FROM tasks t
        WHERE t.class_id = placement_classes.id AND t.state = 'queued' AND t.parked = 0)
      AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.class_id = placement_classes.id AND t.reverifying = 1)
      AND id NOT IN (SELECT class_id FROM tasks WHERE state = 'queued' AND parked = 1)`.execute(writer),
  );
}

/** Deletes a job in steps that hold the database for a short time each. */
async function removeJob(database: Database, id: string): Promise<void> {
  const step = DISPATCH_LIMITS.jobStep;
  const parts = [
    sql`DELETE FROM logs WHERE job_id = ${id} AND sequence IN (SELECT sequence FROM logs WHERE job_id = ${id} ORDER BY sequence LIMIT ${sql.lit(step)})`,
    sql`DELETE FROM events WHERE stream = ${id} AND sequence IN (SELECT sequence FROM events WHERE stream = ${id} ORDER BY sequence LIMIT ${sql.lit(step)})`,
    sql`DELETE FROM samples WHERE job_id = ${id} AND partition IN (SELECT partition FROM samples WHERE job_id = ${id} ORDER BY partition LIMIT ${sql.lit(step)})`,
    sql`DELETE FROM attempts WHERE job_id = ${id} AND partition IN (SELECT partition FROM attempts WHERE job_id = ${id} ORDER BY partition LIMIT ${sql.lit(step)})`,
    sql`DELETE FROM tasks WHERE job_id = ${id} AND partition IN (SELECT partition FROM tasks WHERE job_id = ${id} ORDER BY partition LIMIT ${sql.lit(step)})`,
    sql`DELETE FROM known_answers WHERE job_id = ${id}`,
    sql`DELETE FROM spot_checks WHERE job_id = ${id}`,
    sql`DELETE FROM comparisons WHERE run_id = ${id}`,
    sql`DELETE FROM job_dependencies WHERE job_id = ${id}`,
    sql`DELETE FROM job_blobs WHERE job_id = ${id}`,
    sql`DELETE FROM jobs WHERE id = ${id}`,
  ];
  for (const part of parts) {
    for (;;) {
      const { numAffectedRows } = await database.write((writer) => part.execute(writer));
      if ((numAffectedRows ?? 0n) < BigInt(step)) break;
    }
  }
}
