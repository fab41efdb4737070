/** The claimed tasks of a turn whose results are verified: who may have them, and what follows from their leases. */
import { attemptKey, type VerificationPolicy } from '@fog/contract';
import { unknownNode } from '@fog/verification';
import { DISPATCH_LIMITS } from '../../limits.ts';
import type { ClaimedTask } from '../../store/claim.ts';
import { giveBackTasks } from '../../store/claim.ts';
import type { Writer } from '../../store/database.ts';
import { loadAttempts } from '../../store/turn-rows.ts';
import { loadTrust, trustKey } from '../../store/verification-rows.ts';
import type { AgentSession } from '../sessions.ts';
import type { Turn } from '../turn.ts';
import type { QueuedRun } from './hidden-runs.ts';
import { type CheckableLease, issueChecks, type SpotCheckDependencies } from './spot-checks.ts';

export type ReplicaLease = 'plain' | 'verified' | 'refused';

/** Where every task is replicated, checks would tell nothing more. */
function shareOf(policy: VerificationPolicy | null): number {
  return policy?.mode === 'adaptive' ? policy.spotChecks : 0;
}

/**
 * Leases the tasks in the turn, and puts back those that must not go to the session that they were claimed for. Answers
 * by attempt, and with the checks that come with them.
 */
export async function leaseVerified(
  writer: Writer,
  turn: Turn,
  dependencies: SpotCheckDependencies,
  claimed: readonly { task: ClaimedTask; session: AgentSession }[],
): Promise<{ leases: Map<string, ReplicaLease>; checks: QueuedRun[] }> {
  const { jobs } = dependencies;
  const wanted = claimed.map(({ task, session }) => {
    return { node: session.nodeId, runtime: jobs.get(task.job).spec.spec.task.runtime };
  });
  const known = await loadTrust(writer, wanted);
  const rows = await loadAttempts(
    writer,
    claimed.map(({ task }) => task),
  );
  turn.rows.reload(rows.tasks, rows.attempts);
  const refused: ClaimedTask[] = [];
  const checkable: CheckableLease[] = [];
  const leases = claimed.map(({ task: name, session }, index): [string, ReplicaLease] => {
    const { nodeId, identity, description } = session;
    const task = turn.rows.task(name);
    const stranger = known.get(trustKey(nodeId, wanted[index]?.runtime ?? ''));
    const trust = stranger?.trust ?? unknownNode();
    // What the session says of it may be older than what the database does.
    const trusted = identity.trusted && stranger === undefined;
    if (identity.trusted && !trusted) turn.verification.outdated.add(nodeId);
    const holder = { ...identity, trusted, nodeId, name: description.name };
    const how = task === undefined ? null : turn.verification.leased(task, name, holder, trust);
    if (how === null) refused.push(name);
    const { verification: policy, isCheck, payment } = jobs.get(name.job);
    if (how === 'verified' && !isCheck && !trusted) {
      checkable.push({ session, trust, runtime: wanted[index]?.runtime ?? '', share: shareOf(policy), payment });
    }
    return [attemptKey(name), how ?? 'refused'];
  });
  await giveBackTasks(writer, refused, dependencies.now + DISPATCH_LIMITS.declinePauseMilliseconds);
  return { leases: new Map(leases), checks: await issueChecks(writer, checkable, dependencies) };
}
