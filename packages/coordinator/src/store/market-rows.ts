/** Posted prices, and what of the nodes is used. */
import type { MarketPrice, NodeDescription } from '@fog/contract';
import { sql } from 'kysely';
import type { JobCache } from '../dispatch/job-cache.ts';
import { SETTLEMENT_LIMITS } from '../limits.ts';
import type { NodeUse } from '../settlement/market.ts';
import type { Reader, Writer } from './database.ts';
import { IS_HELD } from './live-attempts.ts';

export async function readMarketPrices(reader: Reader): Promise<MarketPrice[]> {
  const rows = await reader
    .selectFrom('market_prices')
    .selectAll()
    .orderBy('region')
    .limit(SETTLEMENT_LIMITS.regions)
    .execute();
  return rows.map((row) => ({
    region: row.region,
    microFog: row.micro_fog,
    usedSlices: row.used_slices,
    offeredSlices: row.offered_slices,
    steppedAt: row.stepped_at,
  }));
}

/** The first price of a region, unless another coordinator was faster. */
export async function insertMarketPrice(writer: Writer, price: MarketPrice): Promise<void> {
  await writer
    .insertInto('market_prices')
    .values({ region: price.region, ...columnsOf(price) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Moves a price that nobody has moved since `readAt`. */
export async function moveMarketPrice(writer: Writer, price: MarketPrice, readAt: number): Promise<void> {
  await writer
    .updateTable('market_prices')
    .set(columnsOf(price))
    .where('region', '=', price.region)
    .where('stepped_at', '=', readAt)
    .execute();
}

function columnsOf({ microFog, usedSlices, offeredSlices, steppedAt }: MarketPrice) {
  return { micro_fog: microFog, used_slices: usedSlices, offered_slices: offeredSlices, stepped_at: steppedAt };
}

/** Of all connected nodes, those of other coordinators too: what attempts hold of them, of others and of their owners. */
export async function readUseOfNodes(reader: Reader, jobs: JobCache): Promise<NodeUse[]> {
  const nodes = await reader
    .selectFrom('nodes')
    .select(['id', 'owner', 'description'])
    .where('state', '=', 'connected')
    .execute();
  const held = await reader
    .selectFrom('attempts')
    .select(['node_id', 'job_id', sql<number>`COUNT(*)`.as('attempts')])
    .where(IS_HELD)
    .where('state', '<>', 'committed')
    .groupBy(['node_id', 'job_id'])
    .execute();
  await jobs.load(reader, new Set(held.map(({ job_id }) => job_id)));
  const owners = new Map(nodes.map(({ id, owner }) => [id, owner]));
  const uses = new Map<string, Pick<NodeUse, 'used' | 'own'>>();
  for (const { node_id, job_id, attempts } of held) {
    const { needs, submitter } = jobs.get(job_id);
    const { used, own } = uses.getOrInsertComputed(node_id, noUse);
    const use = owners.get(node_id) === submitter ? own : used;
    use.milliCpu += needs.milliCpu * Number(attempts);
    use.memoryBytes += needs.memoryBytes * Number(attempts);
  }
  return nodes.map(({ id, description }) => ({
    description: JSON.parse(description) as NodeDescription,
    ...(uses.get(id) ?? noUse()),
  }));
}

function noUse() {
  return { used: { milliCpu: 0, memoryBytes: 0 }, own: { milliCpu: 0, memoryBytes: 0 } };
}
