/**
 * Puts known answers to nodes that got a replica: as a hidden job of one task, pinned to the node, which says of itself
 * what the job that it repeats has said. The node gets it next, beside its other work.
 */
import { issueSpotCheck, type NodeTrust, standingOf, VERIFICATION_LIMITS } from '@fog/verification';
import type { Writer } from '../../store/database.ts';
import { loadAnswers, saveIssued } from '../../store/spot-check-rows.ts';
import type { CachedJob } from '../job-cache.ts';
import { hurdleOf, requirementsOf } from '../requirements.ts';
import type { AgentSession } from '../sessions.ts';
import { type HiddenRunDependencies, insertHiddenRun, type QueuedRun } from './hidden-runs.ts';

export interface SpotCheckDependencies extends HiddenRunDependencies {
  /** In [0, 1); nodes cannot foresee it. */
  random: () => number;
}

/** A lease that may bring its node a check. */
export interface CheckableLease {
  session: AgentSession;
  trust: NodeTrust;
  runtime: string;
  /** Of the leases of proven nodes that are checks. */
  share: number;
  /** Who pays for the job of the lease; null where nobody does. */
  payment: CachedJob['payment'];
}

export async function issueChecks(
  writer: Writer,
  leases: readonly CheckableLease[],
  dependencies: SpotCheckDependencies,
): Promise<QueuedRun[]> {
  const queued: QueuedRun[] = [];
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
  { session, trust, runtime, share, payment }: CheckableLease,
  whether: number,
  dependencies: SpotCheckDependencies,
): Promise<QueuedRun | null> {
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
  const queued = await insertHiddenRun(
    writer,
    {
      task: issued.check.task,
      purpose: 'check',
      requirements: ({ spec, submitter }) => requirementsOf(spec, submitter, nodeId),
      oversight: payment === null ? null : { by: payment.job, terms: payment.terms },
    },
    dependencies,
  );
  if (queued === null || !(await saveIssued(writer, queued.head.job, issued, before))) return null;
  return queued;
}
