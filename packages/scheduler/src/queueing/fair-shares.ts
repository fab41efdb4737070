/** Dominant shares of tenants as they are served: what `fairOrder` and a live queue both count by. */
import { FogError } from '@fog/contract';
import { QUEUEING_LIMITS } from './limits.ts';
import { amountOf, assertAmounts, type ResourceAmounts } from './queued-work.ts';

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

interface Holding {
  used: Record<string, number>;
  weight: number;
  /** Dominant share over weight. */
  share: number;
}

export class FairShares {
  readonly #fairness: Fairness;
  readonly #holdings = new Map<string, Holding>();

  /** Throws `invalid-request` for amounts that are none. */
  constructor(fairness: Fairness) {
    assertAmounts(fairness.capacity, 'capacity');
    this.#fairness = fairness;
  }

  /** Over its weight. Throws `invalid-request` for a tenant that cannot be given its share, and for too many of them. */
  shareOf(tenant: string): number {
    return this.#holdingOf(tenant).share;
  }

  /** Counts `times` pieces of work as served. */
  serve(tenant: string, demand: ResourceAmounts, times = 1): void {
    const holding = this.#holdingOf(tenant);
    for (const [resource, amount] of Object.entries(demand)) {
      holding.used[resource] = amountOf(holding.used, resource) + amount * times;
    }
    holding.share = dominantShare(holding.used, this.#fairness.capacity) / holding.weight;
  }

  /**
   * How many pieces of work in a row are the tenant's turn, as long as its share is not above `rivalShare`: at least one,
   * the last of which may take it above. `Infinity` for work that needs nothing.
   */
  servings(tenant: string, demand: ResourceAmounts, rivalShare: number): number {
    const { used, weight } = this.#holdingOf(tenant);
    const { capacity } = this.#fairness;
    let most = Number.POSITIVE_INFINITY;
    for (const [resource, amount] of Object.entries(demand)) {
      if (amount <= 0) continue;
      const room = rivalShare * weight * amountOf(capacity, resource) - amountOf(used, resource);
      most = Math.min(most, Math.floor(room / amount) + 1);
    }
    // Of a resource that does not exist, no share can be told: one at a time.
    return Number.isNaN(most) ? 1 : Math.max(1, most);
  }

  #holdingOf(tenant: string): Holding {
    const known = this.#holdings.get(tenant);
    if (known !== undefined) return known;
    const { capacity, usedBy, weights } = this.#fairness;
    const used = { ...usedBy.get(tenant) };
    assertAmounts(used, `use of ${tenant}`);
    const weight = weights?.get(tenant) ?? 1;
    if (!(weight > 0 && weight < Infinity) || this.#holdings.size >= QUEUEING_LIMITS.tenants) {
      throw new FogError('invalid-request', `tenant ${tenant} cannot be given its share`, {
        details: { weight, tenants: this.#holdings.size },
        hint: `weights are finite and above 0, and at most ${QUEUEING_LIMITS.tenants} tenants share a cluster`,
      });
    }
    const holding = { used, weight, share: dominantShare(used, capacity) / weight };
    this.#holdings.set(tenant, holding);
    return holding;
  }
}
