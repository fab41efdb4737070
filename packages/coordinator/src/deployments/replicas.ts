/** Adds replicas to the job of a revision: its tasks become more, in the transaction of the controller. */
import { isTerminal, JOB_TRANSITIONS, type JobEventData, type JobState, LIMITS } from '@fog/contract';
import { sql } from 'kysely';
import type { JobCache } from '../dispatch/job-cache.ts';
import type { PlacementClasses } from '../dispatch/placement-classes.ts';
import { type PlacementClass, requirementsOf } from '../dispatch/requirements.ts';
import type { Database, Writer } from '../store/database.ts';
import { storeReplicas } from '../store/deployment-rows.ts';
import { insertPinnedTasks } from '../store/insert-job.ts';
import { insertEvents, rowLock } from '../store/turn-rows.ts';
import { NEW_REPLICA } from './replica-condition.ts';

export interface ReplicasDependencies {
  engine: Database['engine'];
  jobs: JobCache;
  classes: PlacementClasses;
  now: number;
}

/** Replicas that wait for a place since this transaction. */
export interface NewReplicas {
  job: string;
  rank: number;
  classes: PlacementClass[];
}

interface GrowingJob {
  state: string;
  rank: number;
  expanded: number;
  closing: string | null;
  next_sequence: number;
}

/**
 * One replica for each of `nodes`, pinned to it; null runs anywhere. The job must be loaded. Answers null when the job
 * takes no more: it is being closed, or has had `LIMITS.partitions` tasks.
 */
export async function addReplicas(
  writer: Writer,
  { engine, jobs, classes, now }: ReplicasDependencies,
  jobId: string,
  nodes: readonly (string | null)[],
): Promise<NewReplicas | null> {
  const { spec, submitter } = jobs.get(jobId);
  const places = [...new Set(nodes)];
  const stored = await classes.store(
    writer,
    places.map((node) => requirementsOf(spec, submitter, node)),
    now,
  );
  const classOf = new Map(places.map((node, index) => [node, stored[index] as PlacementClass]));
  const { rows } = await sql<GrowingJob>`SELECT state, rank, expanded, closing, next_sequence FROM jobs
    WHERE id = ${jobId} ${rowLock(engine, 'FOR UPDATE')}`.execute(writer);
  const [job] = rows;
  if (job === undefined || job.closing !== null || isTerminal(JOB_TRANSITIONS, job.state as JobState)) return null;
  const { rank, expanded: first } = job;
  const count = Math.min(nodes.length, LIMITS.partitions - first);
  if (count <= 0) return null;
  const taken = nodes.slice(0, count).map((node) => classOf.get(node) as PlacementClass);
  const place = { jobId, rank, deadline: null };
  await insertPinnedTasks(
    writer,
    place,
    taken.map(({ id }) => id),
    first,
  );
  const replicas = taken.map(({ requirements }, index) => {
    const partition = first + index;
    return { ...NEW_REPLICA, job: jobId, partition, pinned: requirements.node, since: now, leaving: false };
  });
  await storeReplicas(writer, replicas);
  const event: JobEventData = { type: 'job.queued', tasks: first + count };
  await insertEvents(writer, [[jobId, job.next_sequence, now, JSON.stringify(event)]]);
  await sql`UPDATE jobs SET task_count = ${first + count}, expanded = ${first + count}, queued = queued + ${count},
    next_sequence = next_sequence + 1 WHERE id = ${jobId}`.execute(writer);
  return { job: jobId, rank, classes: stored };
}
