/**
 * What a slice of the fog costs: a posted price in each region, that of bronze; those of the other tiers are multiples.
 * Every so often one coordinator moves the prices by how much of what is offered is used; the others read them.
 *
 * A node asks at least its own price. It is paid the posted price where that is higher.
 *
 * Only what is bought at the posted price moves it. What an owner runs on its own nodes is neither bought nor on offer.
 * What was covered when slices cost less than half is on offer at today's price: otherwise one long queue would drive the
 * price for all who come after it, though nobody has agreed to it.
 */
import type { Capacity, MarketPrice, NodeDescription, ServiceTier } from '@fog/contract';
import { MARKET_LIMITS, nextPostedPrice, STANDARD_SLICE } from '@fog/scheduler/market';
import type { CachedJob, JobCache } from '../dispatch/job-cache.ts';
import { SETTLEMENT_LIMITS } from '../limits.ts';
import type { Database } from '../store/database.ts';
import { insertMarketPrice, moveMarketPrice, readMarketPrices, readUseOfNodes } from '../store/market-rows.ts';
import { affords } from './job-terms.ts';

/** Nodes without a label `region` are in this one. */
const NO_REGION = '';

export interface MarketDependencies {
  database: Database;
  jobs: JobCache;
  /** Prices of tiers, in parts per million of that of bronze. */
  tierPpm: () => Readonly<Record<ServiceTier, bigint>>;
  now: () => number;
}

export interface NodeUse {
  description: Pick<NodeDescription, 'labels' | 'offer' | 'capacity'>;
  owner: string;
  /** What runs there. */
  held: readonly { job: Pick<CachedJob, 'needs' | 'attemptMilliseconds' | 'payment'>; attempts: number }[];
}

type Resources = Pick<Capacity, 'milliCpu' | 'memoryBytes'>;

export class Market {
  readonly #dependencies: MarketDependencies;
  #prices: ReadonlyMap<string, MarketPrice> = new Map();
  /** Called when prices have changed. */
  onPrices: () => void = () => undefined;

  constructor(dependencies: MarketDependencies) {
    this.#dependencies = dependencies;
  }

  /** Micro-FOG for a slice of bronze on this node. */
  priceOn({ labels, offer }: Pick<NodeDescription, 'labels' | 'offer'>): number {
    return Math.max(this.posted(regionOf(labels)), offer?.pricePerSlice ?? 0);
  }

  /** What a tier costs by now, as a multiple of bronze. */
  multipleOf(tier: ServiceTier): number {
    return Number(this.#dependencies.tierPpm()[tier]) / 1_000_000;
  }

  /** Whether it asks so much that only jobs that name a budget may be given to it. */
  isTooDear({ labels, offer }: Pick<NodeDescription, 'labels' | 'offer'>): boolean {
    const asked = offer?.pricePerSlice ?? 0;
    return asked > this.posted(regionOf(labels)) * SETTLEMENT_LIMITS.dearestMultiple;
  }

  posted(region: string): number {
    return this.#prices.get(region)?.microFog ?? SETTLEMENT_LIMITS.firstPriceMicroFog;
  }

  /**
   * The highest that is posted anywhere where there are nodes. The price of a region that all of them have left stands
   * still, and nobody's cover shall be reckoned by it; where there are none at all, the last prices count.
   */
  highest(): number {
    const all = this.prices();
    const since = this.#dependencies.now() - SETTLEMENT_LIMITS.stalePriceMilliseconds;
    const live = all.filter(({ steppedAt }) => steppedAt >= since);
    const counted = (live.length > 0 ? live : all).map(({ microFog }) => microFog);
    return counted.length > 0 ? Math.max(...counted) : SETTLEMENT_LIMITS.firstPriceMicroFog;
  }

  /** By region. */
  prices(): MarketPrice[] {
    return [...this.#prices.values()];
  }

  /** Moves the prices whose time has come, unless another coordinator does, and reads all. */
  async step(): Promise<void> {
    const { database, jobs, now } = this.#dependencies;
    const at = now();
    const known = await readMarketPrices(database.read);
    const isDue = (price: MarketPrice | undefined) =>
      price === undefined || price.steppedAt + SETTLEMENT_LIMITS.priceStepMilliseconds <= at;
    const byRegion = new Map(known.map((price) => [price.region, price]));
    const uses = usesByRegion(await readUseOfNodes(database.read, jobs), (region) => byRegion.get(region)?.microFog);
    for (const [region, use] of uses) {
      const before = byRegion.get(region);
      // Strangers name regions: beyond the limit they all have the first price.
      if (!isDue(before) || (before === undefined && known.length >= SETTLEMENT_LIMITS.regions)) continue;
      const { firstPriceMicroFog, leastPriceMicroFog } = SETTLEMENT_LIMITS;
      const microFog = Math.max(leastPriceMicroFog, nextPostedPrice(before?.microFog ?? firstPriceMicroFog, use));
      const price: MarketPrice = { region, microFog, ...use, steppedAt: at };
      await database.write((writer) =>
        before === undefined
          ? insertMarketPrice(writer, { ...price, microFog: SETTLEMENT_LIMITS.firstPriceMicroFog })
          : moveMarketPrice(writer, price, before.steppedAt),
      );
    }
    this.#take(uses.size === 0 ? known : await readMarketPrices(database.read));
  }

  #take(prices: readonly MarketPrice[]): void {
    const before = this.#prices;
    this.#prices = new Map(prices.map((price) => [price.region, price]));
    const isChanged = ({ region, microFog }: MarketPrice) => before.get(region)?.microFog !== microFog;
    if (prices.length !== before.size || prices.some(isChanged)) this.onPrices();
  }
}

/** A region is what the label `region` of a node says. */
export function regionOf(labels: NodeDescription['labels']): string {
  return labels.region ?? NO_REGION;
}

/**
 * Whole slices at a time in each region: bought at the posted price, and on offer at it. What asks more is not offered;
 * what is bought there is used and offered all the same.
 */
export function usesByRegion(
  nodes: readonly NodeUse[],
  postedIn: (region: string) => number | undefined,
): Map<string, { usedSlices: number; offeredSlices: number }> {
  const sums = new Map<string, { used: number; offered: number }>();
  for (const node of nodes) {
    const { description } = node;
    const region = regionOf(description.labels);
    const posted = postedIn(region) ?? SETTLEMENT_LIMITS.firstPriceMicroFog;
    const sum = sums.getOrInsertComputed(region, () => ({ used: 0, offered: 0 }));
    const isOffered = (description.offer?.pricePerSlice ?? 0) <= posted;
    const { bought, own } = usesOf(node, posted);
    const taken = slicesAtATime(bought);
    const left = slicesAtATime(description.capacity) - slicesAtATime(own);
    sum.used += taken;
    sum.offered += Math.max(taken, isOffered ? left : 0);
  }
  return new Map(
    [...sums].map(([region, { used, offered }]) => {
      const most = MARKET_LIMITS.requestSlices;
      return [
        region,
        { usedSlices: Math.min(most, Math.ceil(used)), offeredSlices: Math.min(most, Math.ceil(offered)) },
      ];
    }),
  );
}

/** `own`: of its owner, or of nobody who pays. What is in neither was bought for less. */
function usesOf({ owner, held }: NodeUse, posted: number): Record<'bought' | 'own', Resources> {
  const bought = { milliCpu: 0, memoryBytes: 0 };
  const own = { milliCpu: 0, memoryBytes: 0 };
  for (const { job, attempts } of held) {
    const { needs, payment } = job;
    const isOwn = payment === null || payment.buyer === owner;
    if (!isOwn && !affords(posted, job, payment.terms)) continue;
    const sum = isOwn ? own : bought;
    sum.milliCpu += needs.milliCpu * attempts;
    sum.memoryBytes += needs.memoryBytes * attempts;
  }
  return { bought, own };
}

/** The scarcer of processors and memory decides. */
function slicesAtATime({ milliCpu, memoryBytes }: Resources): number {
  return Math.max(milliCpu / 1000 / STANDARD_SLICE.virtualCpus, memoryBytes / STANDARD_SLICE.memoryBytes);
}
