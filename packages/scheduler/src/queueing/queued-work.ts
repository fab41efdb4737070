/** Work of tenants that waits for a place, and what it needs. */
import { FogError, SERVICE_TIERS, type ServiceTier } from '@fog/contract';
import { assertRigidJob, type RigidJob, type RunningJob } from './rigid-job.ts';

/** Amounts by the name of the resource, `processors`, `memoryBytes` and the like. What is not named is 0. */
export type ResourceAmounts = Readonly<Record<string, number>>;

export interface QueuedWork extends RigidJob {
  tenant: string;
  tier: ServiceTier;
  /** The higher goes first, whatever else. */
  priority: number;
  /** May be stopped when others need its room. */
  isSpot: boolean;
  /** Resources besides `processors` that fairness and quotas count. */
  resources: ResourceAmounts;
  /** Ids of work that has to be finished before. */
  dependsOn: readonly string[];
}

export interface RunningWork extends RunningJob {
  tenant: string;
  isSpot: boolean;
  resources: ResourceAmounts;
  /** Since when its work would be lost: its start, or its last checkpoint. */
  safeAtSeconds: number;
}

/** Throws `invalid-request` for work without sense, and for two pieces with one id: one would start in the other's place. */
export function assertQueuedWork(work: readonly QueuedWork[]): void {
  const ids = new Set<string>();
  for (const one of work) {
    assertRigidJob(one);
    assertAmounts(one.resources, `resources of ${one.id}`);
    if (!SERVICE_TIERS.includes(one.tier) || !Number.isFinite(one.priority) || ids.has(one.id)) {
      throw new FogError('invalid-request', `${one.id} has the tier "${one.tier}" and the priority ${one.priority}`, {
        details: { id: one.id, isTwice: ids.has(one.id) },
        hint: `tiers are ${SERVICE_TIERS.join(', ')}, priorities finite numbers, and ids unique`,
      });
    }
    ids.add(one.id);
  }
}

/** Processors among the other resources. */
export function demandOf({ processors, resources }: Pick<QueuedWork, 'processors' | 'resources'>): ResourceAmounts {
  return { ...resources, processors };
}

export function amountOf(amounts: ResourceAmounts, resource: string): number {
  return Object.hasOwn(amounts, resource) ? (amounts[resource] as number) : 0;
}

export function addTo(used: Record<string, number>, amounts: ResourceAmounts): void {
  for (const [resource, amount] of Object.entries(amounts)) used[resource] = amountOf(used, resource) + amount;
}

/** Throws `invalid-request` for an amount that is negative or no number. */
export function assertAmounts(amounts: ResourceAmounts, what: string): void {
  for (const [resource, amount] of Object.entries(amounts)) {
    if (Number.isFinite(amount) && amount >= 0) continue;
    throw new FogError('invalid-request', `${what}: ${amount} of ${resource}`, {
      details: { resource },
      hint: 'amounts are finite and not negative',
    });
  }
}
