/** Carries out what the controller has decided, in one transaction under the lock of the deployment's row. */
import type { DeploymentState } from '@fog/contract';
import { DISPATCH_LIMITS } from '../limits.ts';
import type { Writer } from '../store/database.ts';
import {
  type DeploymentKey,
  deleteReplicas,
  type ReplicaRow,
  saveDeployment,
  storeReplicas,
} from '../store/deployment-rows.ts';
import type { DeploymentRow } from '../store/tables.ts';
import { type Decision, decide } from './controller.ts';
import type { Look } from './look.ts';
import { addReplicas, type NewReplicas, type ReplicasDependencies } from './replicas.ts';
import { afterEvent, beginRevision, moveRevision } from './revisions.ts';

/** What is left to do after the commit. */
export interface Effects {
  added: NewReplicas | null;
  /** Replicas whose tasks are to be ended. */
  leaving: ReplicaRow[];
  closeJobs: string[];
}

/** Whether the look has found anything that is not stored yet. */
export function needsAct({ row, changed, ended }: Look, decision: Decision): boolean {
  const { create, cancel, change, isProgress, isGone } = decision;
  return (
    changed.length + ended.length + create.length + cancel.length > 0 ||
    change !== null ||
    isProgress ||
    isGone ||
    !hasCounts(row, decision)
  );
}

export async function act(writer: Writer, look: Look, dependencies: ReplicasDependencies): Promise<Effects> {
  const { now } = dependencies;
  const { row, view } = look;
  const decision = decide(view, now);
  const leaving = await rememberReplicas(writer, look, decision);
  if (decision.isGone) {
    await forget(writer, row);
    return { added: null, leaving, closeJobs: [] };
  }
  await saveOutcome(writer, look, decision, now);
  // The next look adds the rest: nothing else shall wait for long.
  const create = decision.create.slice(0, DISPATCH_LIMITS.jobStep);
  // Rows of jobs are locked last.
  const added = create.length === 0 ? null : await addReplicas(writer, dependencies, view.current.job, create);
  return { added, leaving, closeJobs: decision.closeJobs };
}

/** Answers all that are leaving, those of earlier looks included: a crash may have come between. */
async function rememberReplicas(
  writer: Writer,
  { changed, replicas, ended }: Look,
  decision: Decision,
): Promise<ReplicaRow[]> {
  const cancelled = new Set(decision.cancel.map(({ job, partition }) => `${job}/${partition}`));
  const leaving = replicas
    .filter(({ job, partition }) => cancelled.has(`${job}/${partition}`))
    .map((replica) => ({ ...replica, leaving: true }));
  const others = changed.filter(({ job, partition }) => !cancelled.has(`${job}/${partition}`));
  await deleteReplicas(writer, ended);
  await storeReplicas(writer, [...leaving, ...others]);
  return [...leaving, ...replicas.filter((replica) => replica.leaving)];
}

/** States, counts and progress. */
async function saveOutcome(writer: Writer, look: Look, decision: Decision, now: number): Promise<void> {
  const { row, revisions } = look;
  const { change, counts, isProgress } = decision;
  const current = revisions[0];
  if (current === undefined) return;
  if (change?.event === 'roll-back') {
    const target = revisions.find((revision) => revision.revision === change.to);
    if (target === undefined) return;
    await beginRevision(
      writer,
      row,
      revisions,
      {
        job: target.job_id,
        by: row.principal,
        of: target.revision,
        event: 'roll-back',
        reason: change.reason,
        wanted: row.wanted,
        namedCount: row.named_count,
      },
      now,
    );
    return;
  }
  const reason = change?.event === 'fail' ? change.reason : null;
  if (change?.event === 'finish' || change?.event === 'fail') {
    await moveRevision(writer, current, change.event, reason, now);
  }
  const state: DeploymentState | null = change === null ? null : afterEvent(row, change.event);
  if (state === null && !isProgress && hasCounts(row, decision)) return;
  await saveDeployment(writer, row, {
    // Why it went back is told by the revision that was left, once it has come to rest.
    ...(state === null ? {} : { state, reason, updated_at: now }),
    ...counts,
    ...(isProgress ? { most_available: counts.updated, progress_at: now } : {}),
  });
}

function hasCounts(row: DeploymentRow, { counts }: Decision): boolean {
  const { wanted, ready, available, updated } = counts;
  return row.wanted === wanted && row.ready === ready && row.available === available && row.updated === updated;
}

async function forget(writer: Writer, { principal, name }: DeploymentKey): Promise<void> {
  for (const table of ['deployment_revisions', 'deployments'] as const) {
    await writer.deleteFrom(table).where('principal', '=', principal).where('name', '=', name).execute();
  }
}
