/** What placement learns from a turn: how long tasks took, and what verification says of nodes. */
import type { RuntimeName } from '@fog/contract';
import type { ReputationRecord } from '@fog/economy/reputation';
import type { NodeTrust } from '@fog/verification';
import type { Hint } from '../../bus.ts';
import type { OwnerReputation } from '../../store/reputation-rows.ts';
import type { DispatcherInput } from '../inputs.ts';
import { type JobCache, runKindsOf } from '../job-cache.ts';
import type { Sessions } from '../sessions.ts';

export interface TrustChange {
  node: string;
  runtime: string;
  trust: NodeTrust;
  reputation: ReputationRecord;
}

export interface OwnerChange extends OwnerReputation {
  /** A result was found wrong. */
  hasFallen: boolean;
}

/** After the commit. Answers what other coordinators have to hear: of their nodes, and of owners that were found out. */
export function learn(
  sessions: Sessions,
  jobs: JobCache,
  inputs: readonly DispatcherInput[],
  { records, owners }: { records: readonly TrustChange[]; owners: readonly OwnerChange[] },
): Hint[] {
  for (const input of inputs) {
    if (input.kind !== 'entry' || input.entry.report.event !== 'succeed') continue;
    const job = jobs.find(input.entry.attempt.job);
    if (job === undefined) continue;
    sessions.placer.runTimes.observe(input.session.nodeId, runKindsOf(job), input.entry.report.usage.wallMilliseconds);
  }
  for (const owner of owners) sessions.placer.setOwner(owner);
  const ofNodes = records.flatMap(({ node, runtime, trust, reputation }): Hint[] => {
    const session = sessions.get(node);
    if (session === undefined) return [{ kind: 'node', node }];
    const known = session.records;
    const name = runtime as RuntimeName;
    session.records = {
      trust: { ...known.trust, [name]: trust },
      reputation: { ...known.reputation, [name]: reputation },
    };
    sessions.changed(session);
    return [];
  });
  const fallen = owners.filter(({ hasFallen }) => hasFallen);
  return [...ofNodes, ...fallen.map(({ owner }): Hint => ({ kind: 'owner', owner }))];
}
