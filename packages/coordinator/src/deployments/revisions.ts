/** Revisions come and go: the rows of a deployment, moved along the contract's transition tables. */
import {
  DEPLOYMENT_TRANSITIONS,
  type DeploymentEvent,
  type DeploymentState,
  FogError,
  type JobSpec,
  LIMITS,
  REVISION_TRANSITIONS,
  type RevisionEvent,
  type RevisionState,
  transition,
  updatePolicy,
} from '@fog/contract';
import { sql } from 'kysely';
import { DEPLOYMENT_LIMITS } from '../limits.ts';
import type { Writer } from '../store/database.ts';
import { type RevisionWithJob, saveDeployment, saveRevision } from '../store/deployment-rows.ts';
import type { DeploymentRow } from '../store/tables.ts';

/** What is written of a revision that begins. */
export interface NewRevision {
  job: string;
  by: string;
  /** The revision that it takes up again. */
  of: number | null;
  event: 'deploy' | 'roll-back';
  /** Why the one before is left; null where another one was simply asked for. */
  reason: string | null;
  wanted: number;
  namedCount: number;
}

/**
 * Makes it the current revision of a deployment whose row is locked, and forgets the oldest ones.
 * Throws `too-many-requests` when too many of those have jobs that are still ending.
 */
export async function beginRevision(
  writer: Writer,
  row: DeploymentRow,
  revisions: readonly RevisionWithJob[],
  next: NewRevision,
  now: number,
): Promise<void> {
  const before = revisions[0];
  if (before !== undefined) {
    const event = next.event === 'deploy' ? 'supersede' : 'roll-back';
    const state = moved(before, event);
    if (state !== null) await saveRevision(writer, before, { state, reason: next.reason, ended_at: now });
  }
  const revision = (before?.revision ?? 0) + 1;
  const { principal, name } = row;
  await writer
    .insertInto('deployment_revisions')
    .values({
      principal,
      name,
      revision,
      job_id: next.job,
      state: 'rolling-out' satisfies RevisionState,
      reason: null,
      created_by: next.by,
      of_revision: next.of,
      stable_at: null,
      created_at: now,
      ended_at: null,
    })
    .execute();
  await saveDeployment(writer, row, {
    state: afterEvent(row, next.event),
    reason: next.reason,
    revision,
    wanted: next.wanted,
    named_count: next.namedCount,
    most_available: 0,
    // Another revision has a cover of its own.
    covered: null,
    uncovered: null,
    progress_at: now,
    updated_at: now,
  });
  await forgetOldest(writer, row, revisions, next.job);
}

/** The state of the deployment after the event. Throws `conflict` for one that is being removed. */
export function afterEvent({ name, state }: DeploymentRow, event: DeploymentEvent): DeploymentState {
  const next = transition(DEPLOYMENT_TRANSITIONS, state as DeploymentState, event);
  if (next !== null) return next;
  throw new FogError('conflict', `deployment ${name} is being removed`, {
    retryable: true,
    hint: 'try again in a moment',
  });
}

/** Moves the current revision; a pair that is no transition changes nothing. */
export async function moveRevision(
  writer: Writer,
  revision: RevisionWithJob,
  event: RevisionEvent,
  reason: string | null,
  now: number,
): Promise<void> {
  const state = moved(revision, event);
  if (state === null) return;
  const isStable = state === 'stable';
  await saveRevision(writer, revision, {
    state,
    reason,
    ended_at: state === 'rolling-out' ? null : now,
    ...(isStable && revision.stable_at === null ? { stable_at: now } : {}),
  });
}

/**
 * Another try of a revision that has failed: the deadline begins anew, and so does the count of failures. The
 * deployment's own row is saved by the caller.
 */
export async function retryRevision(writer: Writer, revision: RevisionWithJob, now: number): Promise<void> {
  await moveRevision(writer, revision, 'retry', null, now);
  await sql`UPDATE tasks SET job_failures = 0, node_failures = 0 WHERE job_id = ${revision.job_id}
    AND state IN ('queued', 'scheduled', 'running')`.execute(writer);
}

/** Revisions with equal texts are the same but for the number of replicas. */
export function revisionText(spec: JobSpec): string {
  return JSON.stringify({ ...spec, spec: { ...spec.spec, count: 1, update: updatePolicy(spec) } });
}

/** Whether the job of the revision can run more replicas: it is open, and has numbers left for its tasks. */
export function isRunnable(revision: RevisionWithJob): boolean {
  return revision.isOpen && revision.tasks + LIMITS.replicas <= LIMITS.partitions;
}

function moved(revision: RevisionWithJob, event: RevisionEvent): RevisionState | null {
  return transition(REVISION_TRANSITIONS, revision.state as RevisionState, event);
}

/** Beyond the newest ones, those whose jobs have ended or belong to a newer one as well. */
async function forgetOldest(
  writer: Writer,
  { principal, name }: DeploymentRow,
  before: readonly RevisionWithJob[],
  newJob: string,
): Promise<void> {
  const kept = before.slice(0, DEPLOYMENT_LIMITS.revisions - 1);
  const needed = new Set([newJob, ...kept.map((revision) => revision.job_id)]);
  const beyond = before.slice(kept.length);
  const forgotten = beyond.filter((revision) => !revision.isOpen || needed.has(revision.job_id));
  if (beyond.length - forgotten.length > DEPLOYMENT_LIMITS.endingRevisions) {
    throw new FogError('too-many-requests', `earlier revisions of ${name} are still ending`, {
      hint: 'try again in a moment',
    });
  }
  if (forgotten.length === 0) return;
  await writer
    .deleteFrom('deployment_revisions')
    .where('principal', '=', principal)
    .where('name', '=', name)
    .where(
      'revision',
      'in',
      forgotten.map(({ revision }) => revision),
    )
    .execute();
}
