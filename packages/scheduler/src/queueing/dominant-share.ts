/**
 * Dominant-resource fairness (Ghodsi et al., "Dominant Resource Fairness: Fair Allocation of Multiple Resource Types",
 * NSDI'11): a tenant's dominant share is the largest share that it has of any resource, and whoever has the smallest one
 * is served next. Nobody gains by asking for more than it needs, or would rather have what another has.
 */
import { type Fairness, FairShares } from './fair-shares.ts';
import { assertAmounts, demandOf, type QueuedWork } from './queued-work.ts';

interface Tenant<Work> {
  name: string;
  work: Work[];
  next: number;
}

/**
 * The work in the order in which fairness serves it: each tenant's own in the order given, and always next of the tenant
 * whose dominant share, with all that went before, is the smallest. Of equal ones the tenant whose work comes first in
 * `work` goes first. O(n log t). Throws `invalid-request` for amounts that are none and for too many tenants.
 */
export function fairOrder<Work extends QueuedWork>(work: readonly Work[], fairness: Fairness): Work[] {
  const shares = new FairShares(fairness);
  const tenants = tenantsOf(work);
  const shareAt = (index: number) => shares.shareOf((tenants[index] as Tenant<Work>).name);
  const isBefore = (a: number, b: number) => {
    // Not by their difference: two infinite shares have none.
    const [share, other] = [shareAt(a), shareAt(b)];
    return share < other || (share === other && a < b);
  };
  const heap = tenants.map((_, index) => index);
  for (let at = (heap.length >>> 1) - 1; at >= 0; at -= 1) sink(heap, at, isBefore);
  const ordered: Work[] = [];
  while (heap.length > 0) {
    const tenant = tenants[heap[0] as number] as Tenant<Work>;
    const served = tenant.work[tenant.next] as Work;
    ordered.push(served);
    tenant.next += 1;
    shares.serve(tenant.name, demandOf(served));
    if (tenant.next === tenant.work.length) {
      const last = heap.pop() as number;
      if (heap.length > 0) heap[0] = last;
    }
    sink(heap, 0, isBefore);
  }
  return ordered;
}

function tenantsOf<Work extends QueuedWork>(work: readonly Work[]): Tenant<Work>[] {
  const tenants = new Map<string, Tenant<Work>>();
  for (const one of work) {
    assertAmounts(demandOf(one), `demand of ${one.id}`);
    const known = tenants.get(one.tenant);
    if (known === undefined) tenants.set(one.tenant, { name: one.tenant, work: [one], next: 0 });
    else known.work.push(one);
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
