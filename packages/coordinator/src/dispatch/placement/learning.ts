/** What placement learns from a turn: how long tasks took, and what verification says of nodes. */
import type { RuntimeName } from '@fog/contract';
import type { NodeTrust } from '@fog/verification';
import type { DispatcherInput } from '../inputs.ts';
import { type JobCache, runKindsOf } from '../job-cache.ts';
import type { Sessions } from '../sessions.ts';

export interface TrustChange {
  node: string;
  runtime: string;
  trust: NodeTrust;
}

/** After the commit. Answers the nodes of other coordinators, which have to hear of their new records. */
export function learn(
  sessions: Sessions,
  jobs: JobCache,
  inputs: readonly DispatcherInput[],
  changes: readonly TrustChange[],
): string[] {
  for (const input of inputs) {
    if (input.kind !== 'entry' || input.entry.report.event !== 'succeed') continue;
    const job = jobs.find(input.entry.attempt.job);
    if (job === undefined) continue;
    sessions.placer.runTimes.observe(input.session.nodeId, runKindsOf(job), input.entry.report.usage.wallMilliseconds);
  }
  return changes.flatMap(({ node, runtime, trust }) => {
    const session = sessions.get(node);
    if (session === undefined) return [node];
    session.trust = { ...session.trust, [runtime as RuntimeName]: trust };
    sessions.changed(session);
    return [];
  });
}
