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

/** Of all connected nodes, those of other coordinators too: whose attempts hold how much of them. */
export async function readUseOfNodes(reader: Reader, jobs: JobCache): Promise<NodeUse[]> {
  const nodes = await reader
    .selectFrom('nodes')
    .select(['id', 'description', 'owner'])
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
  const byNode = Map.groupBy(held, ({ node_id }) => node_id);
  return nodes.map(({ id, description, owner }) => ({
    description: JSON.parse(description) as NodeDescription,
    owner,
    held: (byNode.get(id) ?? []).map(({ job_id, attempts }) => ({ job: jobs.get(job_id), attempts: Number(attempts) })),
  }));
}
