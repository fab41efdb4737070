/** Where a disputed task may run again, and who may be drawn for it. Pure. */
import type { ArbiterCandidate, ArbiterParties, Validator } from '@fog/economy/staking';
import type { CachedJob } from '../../dispatch/job-cache.ts';
import {
  hurdleOf,
  type PlacementNode,
  placementClass,
  type Requirements,
  requirementsOf,
} from '../../dispatch/requirements.ts';
import { ARBITRATION_LIMITS } from './limits.ts';

/**
 * What a node has to be able to do, and no wish of the job: whoever wrote it could have it run by its own friends.
 * `where`: a node, or any trusted one.
 */
export function runRequirements(
  { spec, submitter }: Pick<CachedJob, 'spec' | 'submitter'>,
  where: { node: string | null } | 'trusted',
): Requirements {
  const whole = requirementsOf(spec, submitter);
  return {
    runtime: whole.runtime,
    engine: whole.engine,
    milliCpu: whole.milliCpu,
    memoryBytes: whole.memoryBytes,
    diskBytes: whole.diskBytes,
    submitter,
    constraints: [],
    node: where === 'trusted' ? null : where.node,
    verified: true,
    ...(where === 'trusted' ? { trustedOnly: true as const } : {}),
    ...(whole.meter === undefined ? {} : { meter: whole.meter }),
    ...(whole.privacy === undefined ? {} : { privacy: whole.privacy }),
  };
}

/** Whether some trusted node may run it. */
export function hasTrustedNode(job: Pick<CachedJob, 'spec' | 'submitter'>, nodes: readonly PlacementNode[]): boolean {
  const placement = placementClass(runRequirements(job, 'trusted'));
  return nodes.some((node) => hurdleOf(placement, node) === null);
}

export interface ArbiterNode extends ArbiterCandidate {
  nodeId: string;
}

/** Owners of nodes that may run it, with a node of each: those with the most at stake. No party is among them. */
export function arbiterNodes(
  job: Pick<CachedJob, 'spec' | 'submitter'>,
  nodes: readonly PlacementNode[],
  validators: ReadonlyMap<string, Validator>,
  parties: ArbiterParties,
): ArbiterNode[] {
  const placement = placementClass(runRequirements(job, { node: null }));
  const able = nodes.filter(
    (node) =>
      !node.trusted &&
      validators.get(node.owner)?.status === 'active' &&
      !parties.owners.includes(node.owner) &&
      !parties.prefixes.includes(node.prefix) &&
      hurdleOf(placement, node) === null,
  );
  const first = new Map<string, PlacementNode>();
  for (const node of able.sort((a, b) => (a.id < b.id ? -1 : 1))) first.getOrInsert(node.owner, node);
  const candidates = [...first].map(([owner, { id: nodeId, prefix }]): ArbiterNode => {
    return { owner, prefix, nodeId, stake: validators.get(owner)?.tokens ?? 0n };
  });
  candidates.sort((a, b) => (a.stake === b.stake ? (a.owner < b.owner ? -1 : 1) : a.stake > b.stake ? -1 : 1));
  return candidates.slice(0, ARBITRATION_LIMITS.candidates);
}
