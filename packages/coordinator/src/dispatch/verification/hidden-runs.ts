/**
 * Hidden jobs of one task that repeat a task of another job. All that a program can see of them is as it was before, but
 * for the id.
 */
import { randomBytes } from 'node:crypto';
import { newId } from '@fog/contract';
import { writeTerms } from '@fog/economy/escrow';
import type { TaskReference } from '@fog/verification';
import type { Writer } from '../../store/database.ts';
import { type Disguise, disguiseJob, insertJob } from '../../store/insert-job.ts';
import { blobsOf } from '../job-blobs.ts';
import type { CachedJob, JobCache } from '../job-cache.ts';
import type { PlacementClasses } from '../placement-classes.ts';
import type { QueueHead } from '../queue-hints.ts';
import { type PlacementClass, placementClass, type Requirements } from '../requirements.ts';

export interface HiddenRunDependencies {
  jobs: JobCache;
  classes: PlacementClasses;
  now: number;
}

/** A hidden job that waits for its node. */
export interface QueuedRun {
  placement: PlacementClass;
  head: QueueHead;
}

export interface HiddenRun {
  /** The task that is repeated. */
  task: TaskReference;
  purpose: Exclude<Disguise['purpose'], 'user'>;
  /** Where it may run. */
  requirements: (origin: CachedJob) => Requirements;
  /** The job whose oversight pays for it; null where nobody pays. */
  oversight: CachedJob['oversight'];
}

/** Null when the job that it repeats is gone. */
export async function insertHiddenRun(
  writer: Writer,
  { task, purpose, requirements, oversight }: HiddenRun,
  { jobs, classes, now }: HiddenRunDependencies,
): Promise<QueuedRun | null> {
  await jobs.load(writer, [task.job]);
  const origin = jobs.find(task.job);
  if (origin === undefined) return null;
  const { spec, specText, submitter, submittedAt, terms } = origin;
  // The id tells when a job was submitted: that has to be the same, too.
  const id = newId('j', submittedAt, randomBytes(9));
  const placement = placementClass(requirements(origin));
  await classes.store(writer, [placement.requirements], now);
  await insertJob(writer, {
    id,
    spec,
    specText,
    submitter,
    submittedAt,
    idempotencyKey: null,
    classes: { all: placement.id },
    taskCount: 1,
    firstPartition: task.partition,
    since: now,
    blobs: blobsOf(spec),
    deployment: null,
  });
  const leaseTerms = JSON.stringify(terms);
  const paid = oversight === null ? null : { by: oversight.by, terms: writeTerms(oversight.terms) };
  await disguiseJob(writer, id, { purpose, leaseTerms, oversight: paid });
  const stored = { id, submitter, submittedAt, taskCount: 1, classId: placement.id, specText, purpose, leaseTerms };
  jobs.add({ ...stored, paymentTerms: paid?.terms ?? null, oversightBy: paid?.by ?? null });
  return { placement, head: { rank: 100 - spec.spec.priority, job: id } };
}
