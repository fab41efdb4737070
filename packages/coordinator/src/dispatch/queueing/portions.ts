/**
 * Which places the classes of a band get in one round of claims: the places are found one portion after the other, always
 * for the tenant whose dominant share is the smallest, and each class then claims its tasks in one statement.
 */
import type { Capacity } from '@fog/contract';
import { FairShares } from '@fog/scheduler/queueing';
import type { JobBond } from '../../settlement/job-terms.ts';
import type { Place } from '../placement/placer.ts';
import { compareHeads, type HungryClass } from '../queue-hints.ts';
import type { Band, ClaimOrder } from './claim-order.ts';

/** Places that a class has got, and may fill with its tasks. */
export interface Portion {
  hungry: HungryClass;
  places: Place[];
  /** There is no room for more of it, or its quota is used up. */
  isFull: boolean;
  /** Some of the places are kept for others, and may only be used by what ends in time. */
  isTimed: boolean;
  /** When what is placed there ends at the latest. */
  endsBy: number;
  /** What its places were reserved for: what the first job of the class binds, as far as that was known. */
  bond: JobBond | null;
}

export interface PlaceFinder {
  /** Reserves up to so many places, fewer where there is no room or a quota ends. */
  find(hungry: HungryClass, most: number): Omit<Portion, 'hungry'>;
  /** Nothing of it could be placed. */
  blocked(hungry: HungryClass): Promise<void>;
}

/** What a round of claims has to claim, and who found no place because others had them. */
export interface Shares {
  portions: Portion[];
  /** They may find one after all when others give places back. */
  empty: HungryClass[];
}

/** Of one tenant, or of aged classes, whose order is that of arrival. */
export async function nextPortion(order: ClaimOrder, band: Band, most: number, finder: PlaceFinder): Promise<Shares> {
  const hungry = order.take(band, firstToArrive(band));
  const found = finder.find(hungry, most);
  if (found.places.length > 0) return { portions: [{ hungry, ...found }], empty: [] };
  if (!order.isEmpty) await finder.blocked(hungry);
  return { portions: [], empty: [] };
}

/** Shares `most` places out among the tenants of a band, at most so many classes of them. */
export async function fairPortions(
  order: ClaimOrder,
  band: Band,
  { most, mostClasses }: { most: number; mostClasses: number },
  finder: PlaceFinder & { capacity: Readonly<Capacity>; usedBy: (tenant: string) => Readonly<Capacity> },
): Promise<Shares> {
  const tenants = new Set(band.tenants.keys());
  const usedBy = new Map([...tenants].map((tenant) => [tenant, amountsOf(finder.usedBy(tenant))]));
  const shares = new FairShares({ capacity: amountsOf(finder.capacity), usedBy });
  const portions: Portion[] = [];
  const empty: HungryClass[] = [];
  /** The class of each tenant that is being served. */
  const served = new Map<string, Portion>();
  for (let left = most; left > 0; ) {
    const turn = nextTenant(tenants, shares, (tenant) => served.get(tenant)?.hungry ?? band.tenants.get(tenant)?.[0]);
    if (turn === null) break;
    const { tenant, rivalShare } = turn;
    let portion = served.get(tenant);
    if (portion === undefined) {
      if (portions.length === mostClasses) {
        tenants.delete(tenant);
        continue;
      }
      portion = {
        hungry: order.take(band, tenant),
        places: [],
        isFull: false,
        isTimed: false,
        endsBy: Number.POSITIVE_INFINITY,
        bond: null,
      };
      served.set(tenant, portion);
      portions.push(portion);
    }
    const { requirements } = portion.hungry.placement;
    const demand = { ...amountsOf(requirements), slots: 1 };
    const found = finder.find(portion.hungry, Math.min(left, shares.servings(tenant, demand, rivalShare)));
    portion.places.push(...found.places);
    shares.serve(tenant, demand, found.places.length);
    portion.isTimed ||= found.isTimed;
    portion.endsBy = found.endsBy;
    portion.bond = found.bond;
    left -= found.places.length;
    if (!found.isFull) continue;
    portion.isFull = true;
    served.delete(tenant);
    if (portion.places.length === 0) {
      portions.splice(portions.indexOf(portion), 1);
      empty.push(portion.hungry);
      await finder.blocked(portion.hungry);
    }
    if (!band.tenants.has(tenant)) tenants.delete(tenant);
  }
  return { portions, empty };
}

/** The smallest share goes first, then who came first; with the share of whoever is next. */
function nextTenant(
  tenants: ReadonlySet<string>,
  shares: FairShares,
  classOf: (tenant: string) => HungryClass | undefined,
): { tenant: string; rivalShare: number } | null {
  let first: { tenant: string; share: number; hungry: HungryClass } | null = null;
  let rivalShare = Number.POSITIVE_INFINITY;
  for (const tenant of tenants) {
    const hungry = classOf(tenant);
    if (hungry === undefined) continue;
    const share = shares.shareOf(tenant);
    const isFirst =
      first === null ||
      share < first.share ||
      (share === first.share && compareHeads(hungry.head, first.hungry.head) < 0);
    if (!isFirst) {
      rivalShare = Math.min(rivalShare, share);
      continue;
    }
    if (first !== null) rivalShare = Math.min(rivalShare, first.share);
    first = { tenant, share, hungry };
  }
  return first === null ? null : { tenant: first.tenant, rivalShare };
}

function firstToArrive({ tenants }: Band): string {
  let first: HungryClass | null = null;
  for (const [head] of tenants.values()) {
    if (head !== undefined && (first === null || compareHeads(head.head, first.head) < 0)) first = head;
  }
  return first?.placement.requirements.submitter ?? '';
}

function amountsOf(capacity: Omit<Capacity, 'slots'> & { slots?: number }): Record<string, number> {
  const { slots = 0, milliCpu, memoryBytes, diskBytes } = capacity;
  return { slots, milliCpu, memoryBytes, diskBytes };
}
