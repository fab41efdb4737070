/**
 * Puts known answers to nodes that got a replica: as a hidden job of one task, pinned to the node, which says of itself
 * what the job that it repeats has said. The node gets it next, beside its other work.
 */
import { randomBytes } from 'node:crypto';
import { newId } from '@fog/contract';
import { issueSpotCheck, type NodeTrust, type SpotCheck, standingOf, VERIFICATION_LIMITS } from '@fog/verification';
import type { Writer } from '../../store/database.ts';
import { disguiseJob, insertJob } from '../../store/insert-job.ts';
import { loadAnswers, saveIssued } from '../../store/spot-check-rows.ts';
import { blobsOf } from '../job-blobs.ts';
import type { JobCache } from '../job-cache.ts';
import type { PlacementClasses } from '../placement-classes.ts';
import type { QueueHead } from '../queue-hints.ts';
import { hurdleOf, type PlacementClass, placementClass, requirementsOf } from '../requirements.ts';
import type { AgentSession } from '../sessions.ts';

export interface SpotCheckDependencies {
  jobs: JobCache;
  classes: PlacementClasses;
  /** In [0, 1); nodes cannot foresee it. */
  random: () => number;
  now: number;
}

/** A lease that may bring its node a check. */
export interface CheckableLease {
  session: AgentSession;
  trust: NodeTrust;
  runtime: string;
  /** Of the leases of proven nodes that are checks. */
  share: number;
}

/** A hidden job that waits for its node. */
export interface QueuedCheck {
  placement: PlacementClass;
  head: QueueHead;
}

export async function issueChecks(
  writer: Writer,
  leases: readonly CheckableLease[],
  dependencies: SpotCheckDependencies,
): Promise<QueuedCheck[]> {
  const queued: QueuedCheck[] = [];
  for (const lease of leases) {
    const whether = dependencies.random();
    if (whether >= lease.share || standingOf(lease.trust) !== 'proven') continue;
    const check = await issueCheck(writer, lease, whether, dependencies);
    if (check !== null) queued.push(check);
  }
  return queued;
}

async function issueCheck(
  writer: Writer,
  { session, trust, runtime, share }: CheckableLease,
  whether: number,
  dependencies: SpotCheckDependencies,
): Promise<QueuedCheck | null> {
  const { nodeId, identity, description } = session;
  const node = { ...identity, id: nodeId, description, state: 'connected' as const, cordoned: false };
  const known = await loadAnswers(writer, runtime, VERIFICATION_LIMITS.usesOfKnownAnswer);
  const answers = known.filter(({ placement }) => hurdleOf(placement, node) === null).map(({ answer }) => answer);
  const random = { whether, which: dependencies.random() };
  const issued = issueSpotCheck(answers, { ...identity, nodeId }, trust, share, random);
  const before = answers.find(({ task }) => {
    return task.job === issued?.check.task.job && task.partition === issued.check.task.partition;
  });
  if (issued === null || before === undefined) return null;
  const queued = await insertCheck(writer, issued.check, dependencies);
  if (queued === null || !(await saveIssued(writer, queued.head.job, issued, before))) return null;
  return queued;
}

/** Null when the job that it repeats is gone. */
async function insertCheck(
  writer: Writer,
  { task, nodeId }: SpotCheck,
  { jobs, classes, now }: SpotCheckDependencies,
): Promise<QueuedCheck | null> {
  await jobs.load(writer, [task.job]);
  const origin = jobs.find(task.job);
  if (origin === undefined) return null;
  const { spec, specText, submitter, submittedAt, terms } = origin;
  // The id tells when a job was submitted: that has to be the same, too.
  const id = newId('j', submittedAt, randomBytes(9));
  const placement = placementClass(requirementsOf(spec, submitter, nodeId));
  await classes.store(writer, [placement.requirements], now);
  const leaseTerms = JSON.stringify(terms);
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
  await disguiseJob(writer, id, { purpose: 'check', leaseTerms });
  jobs.add({ id, submitter, submittedAt, taskCount: 1, classId: placement.id, specText, purpose: 'check', leaseTerms });
  return { placement, head: { rank: 100 - spec.spec.priority, job: id } };
}
