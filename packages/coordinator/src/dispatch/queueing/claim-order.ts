/**
 * The order in which hungry classes are served. Bands go one after the other: by priority; what has begun; what has aged;
 * tier. Within a band, aged classes go in the order of arrival, the others by dominant-resource fairness between tenants;
 * those of one tenant in the order of arrival always.
 *
 * A class has aged when its head has waited as long as the bound, and its tenant has got nothing of this tier and
 * priority for as long. So no head waits for ever, and whoever queues much at once does not get everything once it is old.
 */
import { type ServiceTier, timeOfId } from '@fog/contract';
import { compareQueueClasses, hasAged, type QueueClass } from '@fog/scheduler/queueing';
import { compareHeads, type HungryClass, type QueueHead } from '../queue-hints.ts';
import { hasBegun } from '../requirements.ts';

/** Behind every id of a job, in any collation. */
const LAST_JOB = `j${'z'.repeat(19)}`;

/** Ranks are 100 - priority. */
export function priorityOf(rank: number): number {
  return 100 - rank;
}

function lastOfPriority(rank: number): QueueHead {
  return { rank, job: LAST_JOB };
}

/** Classes that only fairness, or their arrival, tells apart. */
export interface Band {
  queueClass: QueueClass;
  isBegun: boolean;
  /** By tenant, each in the order of arrival. */
  tenants: Map<string, HungryClass[]>;
}

/** When each tenant was last served, by tier and priority. */
export class ServedTimes {
  readonly #times = new Map<string, number>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  of(key: string): number {
    return this.#times.get(key) ?? 0;
  }

  note(keys: Iterable<string>, now: number): void {
    for (const key of keys) {
      this.#times.delete(key);
      this.#times.set(key, now);
    }
    // Those that go were served the longest ago.
    for (const key of this.#times.keys()) {
      if (this.#times.size <= this.#most) break;
      this.#times.delete(key);
    }
  }
}

export function servedKey({ placement: { requirements }, head }: HungryClass): string {
  return `${requirements.submitter} ${tierOf(requirements)} ${priorityOf(head.rank)}`;
}

export function tierOf({ tier = 'bronze' }: { tier?: ServiceTier | undefined }): ServiceTier {
  return tier;
}

export class ClaimOrder {
  readonly #bands: Band[] = [];
  readonly #context: { now: number; agingMilliseconds: number; served: Pick<ServedTimes, 'of'> };
  /** Served in this turn. */
  readonly served = new Set<string>();

  constructor(hungry: readonly HungryClass[], context: ClaimOrderContext) {
    this.#context = context;
    for (const one of hungry) this.#bandOf(one).push(one);
    for (const { tenants } of this.#bands) for (const classes of tenants.values()) classes.sort(compareByHead);
  }

  /** The band that is served next; undefined when nothing is left. */
  first(): Band | undefined {
    while (this.#bands[0]?.tenants.size === 0) this.#bands.shift();
    return this.#bands[0];
  }

  /** Takes the first class of this tenant out of its band. */
  take(band: Band, tenant: string): HungryClass {
    const classes = band.tenants.get(tenant) ?? [];
    const [first] = classes.splice(0, 1);
    if (first === undefined) throw new Error(`${tenant} has nothing in this band`);
    if (classes.length === 0) band.tenants.delete(tenant);
    return first;
  }

  /** Whether anything stands behind what was taken out. */
  get isEmpty(): boolean {
    return this.first() === undefined;
  }

  /** Whether no more than one class is left. */
  get isSingle(): boolean {
    const [band, ...others] = this.#bands.filter(({ tenants }) => tenants.size > 0);
    const [classes, ...more] = band?.tenants.values() ?? [];
    return others.length === 0 && more.length === 0 && (classes?.length ?? 0) <= 1;
  }

  insert(hungry: HungryClass): void {
    const classes = this.#bandOf(hungry);
    const index = classes.findIndex((other) => compareByHead(hungry, other) < 0);
    classes.splice(index === -1 ? classes.length : index, 0, hungry);
  }

  /**
   * Up to where a claim of this class, which was taken out of the band, may go before another comes first. `isAlone`:
   * nothing else was taken out with it.
   */
  limitOf(current: HungryClass, band: Band, isAlone: boolean): QueueHead | null {
    const next = band.tenants.get(current.placement.requirements.submitter)?.[0];
    if (next !== undefined) return next.head;
    return isAlone && this.isEmpty ? null : lastOfPriority(current.head.rank);
  }

  #bandOf(hungry: HungryClass): HungryClass[] {
    const { requirements } = hungry.placement;
    const queueClass = this.#classOf(hungry);
    const isBegun = hasBegun(requirements);
    let index = 0;
    for (; index < this.#bands.length; index += 1) {
      const order = compareBands({ queueClass, isBegun }, this.#bands[index] as Band);
      if (order < 0) break;
      if (order === 0) return classesOf(this.#bands[index] as Band, requirements.submitter);
    }
    const band: Band = { queueClass, isBegun, tenants: new Map() };
    this.#bands.splice(index, 0, band);
    return classesOf(band, requirements.submitter);
  }

  #classOf(hungry: HungryClass): QueueClass {
    const { now, agingMilliseconds, served } = this.#context;
    const { placement, head } = hungry;
    const priority = priorityOf(head.rank);
    const tier = tierOf(placement.requirements);
    const key = servedKey(hungry);
    // A head that is not known yet has no arrival.
    if (head.job === '' || this.served.has(key)) return { priority, tier, hasAged: false };
    const since = Math.max(timeOfId(head.job), served.of(key));
    return {
      priority,
      tier,
      hasAged: hasAged({ submittedAtSeconds: since / 1000 }, now / 1000, agingMilliseconds / 1000),
    };
  }
}

export interface ClaimOrderContext {
  now: number;
  agingMilliseconds: number;
  served: Pick<ServedTimes, 'of'>;
}

function classesOf({ tenants }: Band, tenant: string): HungryClass[] {
  return tenants.getOrInsertComputed(tenant, () => []);
}

function compareByHead(one: HungryClass, other: HungryClass): number {
  return compareHeads(one.head, other.head);
}

type BandKey = Pick<Band, 'queueClass' | 'isBegun'>;

/** Tasks that have begun go before others of their priority: nodes keep results for them until they are decided. */
function compareBands(one: BandKey, other: BandKey): number {
  return (
    other.queueClass.priority - one.queueClass.priority ||
    Number(other.isBegun) - Number(one.isBegun) ||
    compareQueueClasses(one.queueClass, other.queueClass)
  );
}
