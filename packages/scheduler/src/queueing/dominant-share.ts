/**
 * Dominant-resource fairness (Ghodsi et al., "Dominant Resource Fairness: Fair Allocation of Multiple Resource Types",
 * NSDI'11): a tenant's dominant share is the largest share that it has of any resource, and whoever has the smallest one
 * is served next. Nobody gains by asking for more than it needs, or would rather have what another has.
 */
import { FogError } from '@fog/contract';
import { QUEUEING_LIMITS } from './limits.ts';
import { amountOf, assertAmounts, demandOf, type QueuedWork, type ResourceAmounts } from './queued-work.ts';

/** 0 to 1, above where more is used than there is. Of a resource that does not exist, any use is an infinite share. */
export function dominantShare(used: ResourceAmounts, capacity: ResourceAmounts): number {
  let largest = 0;
  for (const [resource, amount] of Object.entries(used)) {
    if (amount > 0) largest = Math.max(largest, amount / amountOf(capacity, resource));
  }
  return largest;
}

export interface Fairness {
  capacity: ResourceAmounts;
  /** What each tenant has now; nothing when it is not there. */
  usedBy: ReadonlyMap<string, ResourceAmounts>;
  /** A tenant with weight 2 is due twice the share of one with 1, which all have that are not named. */
  weights?: ReadonlyMap<string, number>;
}

interface Tenant {
  name: string;
  work: QueuedWork[];
  next: number;
  used: Record<string, number>;
  share: number;
  weight: number;
}

/**
 * The work in the order in which fairness serves it: each tenant's own in the order given, and always next of the tenant
 * whose dominant share, with all that went before, is the smallest. Of equal ones the tenant whose work comes first in
 * `work` goes first. O(n log t). Throws `invalid-request` for amounts that are none and for too many tenants.
 */
export function fairOrder<Work extends QueuedWork>(work: readonly Work[], fairness: Fairness): Work[] {
  const tenants = tenantsOf(work, fairness);
  const isBefore = (a: number, b: number) => {
    // Not by their difference: two infinite shares have none.
    const share = (tenants[a] as Tenant).share;
    const other = (tenants[b] as Tenant).share;
    return share < other || (share === other && a < b);
  };
  const heap = tenants.map((_, index) => index);
  for (let at = (heap.length >>> 1) - 1; at >= 0; at -= 1) sink(heap, at, isBefore);
  const ordered: QueuedWork[] = [];
  while (heap.length > 0) {
    const tenant = tenants[heap[0] as number] as Tenant;
    const served = tenant.work[tenant.next] as QueuedWork;
    ordered.push(served);
    tenant.next += 1;
    addTo(tenant.used, demandOf(served));
    tenant.share = dominantShare(tenant.used, fairness.capacity) / tenant.weight;
    if (tenant.next === tenant.work.length) {
      const last = heap.pop() as number;
      if (heap.length > 0) heap[0] = last;
    }
    sink(heap, 0, isBefore);
  }
  return ordered as Work[];
}

export function addTo(used: Record<string, number>, amounts: ResourceAmounts): void {
  for (const [resource, amount] of Object.entries(amounts)) used[resource] = amountOf(used, resource) + amount;
}

function tenantsOf(work: readonly QueuedWork[], { capacity, usedBy, weights }: Fairness): Tenant[] {
  assertAmounts(capacity, 'capacity');
  const tenants = new Map<string, Tenant>();
  for (const one of work) {
    assertAmounts(demandOf(one), `demand of ${one.id}`);
    const known = tenants.get(one.tenant);
    if (known !== undefined) {
      known.work.push(one);
      continue;
    }
    const used = { ...usedBy.get(one.tenant) };
    assertAmounts(used, `use of ${one.tenant}`);
    const weight = weights?.get(one.tenant) ?? 1;
    if (!(weight > 0 && weight < Infinity) || tenants.size >= QUEUEING_LIMITS.tenants) {
      throw new FogError('invalid-request', `tenant ${one.tenant} cannot be given its share`, {
        details: { weight, tenants: tenants.size },
        hint: `weights are finite and above 0, and at most ${QUEUEING_LIMITS.tenants} tenants share a cluster`,
      });
    }
    const share = dominantShare(used, capacity) / weight;
    tenants.set(one.tenant, { name: one.tenant, work: [one], next: 0, used, share, weight });
  }
  return [...tenants.values()];
}

function sink(heap: number[], from: number, isBefore: (a: number, b: number) => boolean): void {
  let at = from;
  for (;;) {
    let least = at;
    for (const child of [2 * at + 1, 2 * at + 2]) {
      if (child < heap.length && isBefore(heap[child] as number, heap[least] as number)) least = child;
    }
    if (least === at) return;
    [heap[at], heap[least]] = [heap[least] as number, heap[at] as number];
    at = least;
  }
}
