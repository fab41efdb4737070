/** Counted waits and their settlements. */
import type { ServiceLevelRecord, ServiceTier } from '@fog/contract';
import { type CreditSchedule, SERVICE_LEVELS, settleWaitCounts } from '@fog/scheduler/queueing';
import { sql } from 'kysely';
import { DISPATCH_LIMITS } from '../limits.ts';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Reader, Writer } from './database.ts';
import type { ServiceSettlementRow } from './tables.ts';

export interface ServiceWaitRow {
  tenant: string;
  tier: ServiceTier;
  /** When its period began. */
  period: number;
  /** Longest wait that is counted here, and longer than the next shorter bound. */
  bound: number;
  count: number;
}

const ADD_WAITS: BulkStatement = {
  text: `INSERT INTO service_waits (period, principal, tier, bound, count)
    SELECT period, principal, tier, bound, count FROM ROWS AS d WHERE true
    ON CONFLICT (period, principal, tier, bound) DO UPDATE SET count = service_waits.count + excluded.count`,
  columns: { period: 'bigint', principal: 'text', tier: 'text', bound: 'bigint', count: 'bigint' },
};

/** Several coordinators add to the same rows, in the same order, so that they do not wait for each other in a circle. */
export async function addServiceWaits(writer: Writer, rows: readonly ServiceWaitRow[]): Promise<void> {
  const values = rows.map(({ period, tenant, tier, bound, count }) => [period, tenant, tier, bound, count]);
  const keyOf = (row: readonly (string | number)[]) => row.slice(0, 4).join(' ');
  await runBulk(
    writer,
    ADD_WAITS,
    values.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)),
  );
}

interface CountedRow {
  period: number;
  principal: string;
  tier: string;
  bound: number;
  count: number;
}

/** Settles periods that are over, one row for each tenant and tier in place of its counts. */
export async function settlePeriods(writer: Writer, now: number, credits: CreditSchedule): Promise<void> {
  const over = now - DISPATCH_LIMITS.servicePeriodMilliseconds - DISPATCH_LIMITS.serviceSettleMilliseconds;
  const keys = await writer
    .selectFrom('service_waits')
    .select(['period', 'principal', 'tier'])
    .distinct()
    .where('period', '<=', over)
    .orderBy('period')
    .orderBy('principal')
    .orderBy('tier')
    .limit(DISPATCH_LIMITS.serviceSettlements)
    .execute();
  if (keys.length === 0) return;
  const counted = await runBulk<CountedRow>(
    writer,
    TAKE_WAITS,
    keys.map(({ period, principal, tier }) => [period, principal, tier]),
  );
  const settled = recordsOf(counted, credits).map((record) => [
    record.periodStart,
    record.principal,
    record.tier,
    record.count,
    record.missed,
    record.p95WaitMilliseconds,
    record.creditPermille,
    now,
  ]);
  await runBulk(writer, INSERT_SETTLEMENTS, settled);
}

const TAKE_WAITS: BulkStatement = {
  text: `DELETE FROM service_waits WHERE (period, principal, tier) IN (SELECT period, principal, tier FROM ROWS AS d)
    RETURNING period, principal, tier, bound, count`,
  columns: { period: 'bigint', principal: 'text', tier: 'text' },
};

/** What comes after the settlement of its period, of a coordinator that was paused, is not settled again. */
const INSERT_SETTLEMENTS: BulkStatement = {
  text: `INSERT INTO service_settlements (period, principal, tier, count, missed, p95_milliseconds, credit_permille, settled_at)
    SELECT period, principal, tier, count, missed, p95_milliseconds, credit_permille, settled_at FROM ROWS AS d WHERE true
    ON CONFLICT DO NOTHING`,
  columns: {
    period: 'bigint',
    principal: 'text',
    tier: 'text',
    count: 'bigint',
    missed: 'bigint',
    p95_milliseconds: 'bigint',
    credit_permille: 'integer',
    settled_at: 'bigint',
  },
};

/** Settlements that are older than this go. */
export async function removeSettlements(writer: Writer, before: number): Promise<void> {
  await writer.deleteFrom('service_settlements').where('period', '<', before).execute();
}

/** Of one principal, or all, from that moment on: the newest period first. */
export async function readServiceLevels(
  reader: Reader,
  request: {
    principal: string | null;
    since: number;
    /** Only what comes behind it. */
    after?: (Pick<ServiceLevelRecord, 'principal'> & { period: number; tier: string }) | undefined;
    limit: number;
    /** Of periods that are not settled yet. */
    credits: CreditSchedule;
  },
): Promise<ServiceLevelRecord[]> {
  const { principal, since, after, limit, credits } = request;
  const from = since - DISPATCH_LIMITS.servicePeriodMilliseconds;
  let waits = reader.selectFrom('service_waits').selectAll().where('period', '>', from);
  let settlements = reader.selectFrom('service_settlements').selectAll().where('period', '>', from);
  if (principal !== null) {
    waits = waits.where('principal', '=', principal);
    settlements = settlements.where('principal', '=', principal);
  }
  if (after !== undefined) {
    const { period, principal: name, tier } = after;
    const isBehind = sql<boolean>`(period < ${period} OR (period = ${period} AND (principal, tier) > (${name}, ${tier})))`;
    waits = waits.where(isBehind);
    settlements = settlements.where(isBehind);
  }
  const rows = await settlements.orderBy('period', 'desc').orderBy('principal').orderBy('tier').limit(limit).execute();
  const open = recordsOf(await waits.execute(), credits);
  const all = [...open, ...rows.map(toRecord)];
  const compare = (a: ServiceLevelRecord, b: ServiceLevelRecord) =>
    b.periodStart - a.periodStart || textOrder(a.principal, b.principal) || textOrder(a.tier, b.tier);
  return all.sort(compare).slice(0, limit);
}

function textOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function recordsOf(
  rows: readonly CountedRow[],
  credits: CreditSchedule,
): (ServiceLevelRecord & { p95WaitMilliseconds: number })[] {
  const groups = Map.groupBy(rows, ({ period, principal, tier }) => `${period} ${principal} ${tier}`);
  return [...groups.values()].map((counts) => {
    const [{ period, principal, tier: name }] = counts as [CountedRow];
    const tier = name as ServiceTier;
    const waits = counts.map(({ bound, count }) => ({ boundMilliseconds: bound, count }));
    const { count, p95WaitMilliseconds, isMet, creditPermille } = settleWaitCounts(tier, waits, credits);
    const promised = SERVICE_LEVELS[tier].p95WaitMilliseconds;
    const late = waits.filter(({ boundMilliseconds }) => boundMilliseconds > promised);
    const missed = late.reduce((sum, wait) => sum + wait.count, 0);
    const found = { count, missed, p95WaitMilliseconds: p95WaitMilliseconds ?? 0, isMet, creditPermille };
    return recordOf({ principal, tier, period, settled: false }, found);
  });
}

function toRecord(row: ServiceSettlementRow): ServiceLevelRecord {
  const {
    principal,
    period,
    count,
    missed,
    p95_milliseconds: p95WaitMilliseconds,
    credit_permille: creditPermille,
  } = row;
  const tier = row.tier as ServiceTier;
  const isMet = p95WaitMilliseconds <= SERVICE_LEVELS[tier].p95WaitMilliseconds;
  const found = { count, missed, p95WaitMilliseconds, isMet, creditPermille };
  return recordOf({ principal, tier, period, settled: true }, found);
}

function recordOf(
  { principal, tier, period, settled }: { principal: string; tier: ServiceTier; period: number; settled: boolean },
  found: Pick<ServiceLevelRecord, 'count' | 'missed' | 'p95WaitMilliseconds' | 'isMet' | 'creditPermille'>,
): ServiceLevelRecord {
  return {
    principal,
    tier,
    periodStart: period,
    periodEnd: period + DISPATCH_LIMITS.servicePeriodMilliseconds,
    settled,
    promisedMilliseconds: SERVICE_LEVELS[tier].p95WaitMilliseconds,
    ...found,
  };
}
