/** What is due of stake, and what of it is shown. */
import type { Cohort, Redelegation, Slash, UnbondingEntry, Validator } from '@fog/economy/staking';
import { sql } from 'kysely';
import type { Reader, Writer } from './database.ts';
import { stakeRowOf } from './stake-rows.ts';
import type { StakeFaultsTable } from './stake-tables.ts';

type SqlRow = Record<string, string | number>;

/** Parts of cohorts whose time has passed and of which no slash is held, behind a place in their order. */
export async function readDueEntries(
  reader: Reader,
  { now, after, limit }: { now: number; after: UnbondingEntry | null; limit: number },
): Promise<UnbondingEntry[]> {
  const { leftAt = -1, validator = '', delegator = '' } = after ?? {};
  const { rows } = await sql<SqlRow>`SELECT e.validator, e.delegator, e.left_at, e.shares
    FROM stake_cohorts c CROSS JOIN stake_entries e
    WHERE e.validator = c.validator AND e.left_at = c.left_at AND c.releases_at <= ${now} AND c.holds = 0
      AND (c.left_at, c.validator, e.delegator) > (${leftAt}, ${validator}, ${delegator})
    ORDER BY c.left_at, c.validator, e.delegator LIMIT ${limit}`.execute(reader);
  return rows.map((row) => stakeRowOf('entries', row));
}

export async function readDueMoves(reader: Reader, now: number, limit: number): Promise<Redelegation[]> {
  const { rows } = await sql<SqlRow>`SELECT * FROM stake_redelegations WHERE until < ${now}
    ORDER BY until LIMIT ${limit}`.execute(reader);
  return rows.map((row) => stakeRowOf('redelegations', row));
}

/** Held ones whose time is over. */
export async function readDueSlashes(reader: Reader, now: number, limit: number): Promise<Slash[]> {
  const { rows } = await sql<SqlRow>`SELECT * FROM stake_slashes
    WHERE state IN ('held', 'appealed') AND decide_until < ${now} ORDER BY decide_until LIMIT ${limit}`.execute(reader);
  return rows.map((row) => stakeRowOf('slashes', row));
}

/** Ended ones of faults before a time. */
export async function readOldSlashes(reader: Reader, before: number, limit: number): Promise<Slash[]> {
  const { rows } = await sql<SqlRow>`SELECT * FROM stake_slashes
    WHERE state IN ('posted', 'overturned') AND fault_at < ${before} ORDER BY fault LIMIT ${limit}`.execute(reader);
  return rows.map((row) => stakeRowOf('slashes', row));
}

export async function readValidators(
  reader: Reader,
  { after = '', exactly, limit }: { after?: string | undefined; exactly?: string; limit: number },
): Promise<Validator[]> {
  const { rows } = await sql<SqlRow>`SELECT * FROM stake_validators
    WHERE ${exactly === undefined ? sql`validator > ${after}` : sql`validator = ${exactly}`}
    ORDER BY validator LIMIT ${limit}`.execute(reader);
  return rows.map((row) => stakeRowOf('validators', row));
}

export async function readDelegationsOf(reader: Reader, delegator: string, limit: number) {
  const { rows } = await sql<SqlRow>`SELECT * FROM stake_delegations WHERE delegator = ${delegator}
    ORDER BY validator LIMIT ${limit}`.execute(reader);
  return rows.map((row) => stakeRowOf('delegations', row));
}

/** With their cohorts, those that are free first come first. */
export async function readUnbondingOf(
  reader: Reader,
  delegator: string,
  limit: number,
): Promise<{ entry: UnbondingEntry; cohort: Cohort }[]> {
  const { rows } = await sql<SqlRow>`SELECT c.*, e.delegator, e.shares AS own_shares
    FROM stake_entries e CROSS JOIN stake_cohorts c
    WHERE e.delegator = ${delegator} AND c.validator = e.validator AND c.left_at = e.left_at
    ORDER BY c.releases_at, c.validator LIMIT ${limit}`.execute(reader);
  return rows.map((row) => ({
    entry: stakeRowOf('entries', { ...row, shares: row.own_shares as string }),
    cohort: stakeRowOf('cohorts', row),
  }));
}

export async function readMovesOf(reader: Reader, delegator: string, limit: number): Promise<Redelegation[]> {
  const { rows } = await sql<SqlRow>`SELECT * FROM stake_redelegations WHERE delegator = ${delegator}
    ORDER BY until LIMIT ${limit}`.execute(reader);
  return rows.map((row) => stakeRowOf('redelegations', row));
}

/** Slashes with what they were for, by fault. */
export async function readSlashes(
  reader: Reader,
  request: { validator: string | null; after?: string | undefined; exactly?: string; limit: number },
): Promise<{ slash: Slash; fault: StakeFaultsTable }[]> {
  const { validator, after = '', exactly, limit } = request;
  const { rows: found } = await sql<SqlRow>`SELECT s.* FROM stake_slashes s
    WHERE ${exactly === undefined ? sql`s.fault > ${after}` : sql`s.fault = ${exactly}`} ${validator === null ? sql.raw('') : sql`AND s.validator = ${validator}`}
    ORDER BY s.fault LIMIT ${limit}`.execute(reader);
  const slashes = found.map((row) => stakeRowOf('slashes', row));
  if (slashes.length === 0) return [];
  const faults = await reader
    .selectFrom('stake_faults')
    .selectAll()
    .where(
      'fault',
      'in',
      slashes.map(({ fault }) => fault),
    )
    .execute();
  const known = new Map(faults.map((row) => [row.fault, row]));
  return slashes.flatMap((slash) => {
    const fault = known.get(slash.fault);
    return fault === undefined ? [] : [{ slash, fault }];
  });
}

export async function readMark(reader: Reader, name: string): Promise<number | null> {
  const row = await reader.selectFrom('stake_marks').select('value').where('name', '=', name).executeTakeFirst();
  return row?.value ?? null;
}

export async function saveMark(writer: Writer, name: string, value: number): Promise<void> {
  await writer
    .insertInto('stake_marks')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute();
}

export interface OwnersNodes {
  owner: string;
  expected: number;
  connected: number;
}

/**
 * Of active validators, whose nodes are there: a node is expected unless it is cordoned, drains, or was not seen since a
 * time. Behind a name, in their order.
 */
export async function readNodesOfValidators(
  reader: Reader,
  { after, seenSince, limit }: { after: string; seenSince: number; limit: number },
): Promise<OwnersNodes[]> {
  const { rows } = await sql<{ owner: string; expected: number; connected: number }>`SELECT v.validator AS owner,
      COUNT(n.id) AS expected, COALESCE(SUM(CASE WHEN n.state = 'connected' THEN 1 ELSE 0 END), 0) AS connected
    FROM (SELECT validator FROM stake_validators WHERE status = 'active' AND validator > ${after}
      ORDER BY validator LIMIT ${limit}) v
    LEFT JOIN nodes n ON n.owner = v.validator AND n.cordoned = 0 AND n.drain_until IS NULL
      AND n.last_seen_at >= ${seenSince}
    GROUP BY v.validator ORDER BY v.validator`.execute(reader);
  return rows.map(({ owner, expected, connected }) => ({
    owner,
    expected: Number(expected),
    connected: Number(connected),
  }));
}
