/** Work of tenants that waits for a place, and what it needs. */
import { FogError, type ServiceTier } from '@fog/contract';
import type { RigidJob, RunningJob } from './rigid-job.ts';

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
