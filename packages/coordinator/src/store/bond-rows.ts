/** What owners of nodes have at stake, and what their live leases bind of it. */
import type { OwnerBonds, Validator } from '@fog/economy/staking';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Reader } from './database.ts';
import { LIVE_STATES } from './live-attempts.ts';

const LIVE_BONDS = `FROM attempts a WHERE a.payee = k.owner AND a.bond IS NOT NULL AND a.state IN ${LIVE_STATES}`;

/** Sums are floating, since a whole one may not fit: exact up to 2^53 micro-FOG, and rounded beyond. */
const READ_OWNERS: BulkStatement = {
  text: `SELECT k.owner, v.status, v.tokens, v.faults,
      CASE WHEN EXISTS (SELECT 1 FROM stake_entries e WHERE e.delegator = k.owner AND e.validator = k.owner)
        THEN 1 ELSE 0 END AS leaving,
      (SELECT COUNT(*) ${LIVE_BONDS}) AS leases,
      (SELECT SUM(CAST(a.bond AS DOUBLE PRECISION)) ${LIVE_BONDS}) AS bound
    FROM ROWS AS k LEFT JOIN stake_validators v ON v.validator = k.owner`,
  columns: { owner: 'text' },
};

interface OwnerRow {
  owner: string;
  status: Validator['status'] | null;
  tokens: string | null;
  faults: number | null;
  leaving: number;
  leases: number;
  bound: number | null;
}

/** By owner. */
export async function readOwnerBonds(reader: Reader, owners: readonly string[]): Promise<Map<string, OwnerBonds>> {
  const rows = await runBulk<OwnerRow>(
    reader,
    READ_OWNERS,
    owners.map((owner) => [owner]),
  );
  return new Map(
    rows.map(({ owner, status, tokens, faults, leaving, leases, bound }) => {
      const validator =
        status === null ? undefined : { status, tokens: BigInt(tokens ?? 0), faults: Number(faults ?? 0) };
      const counted = { bound: BigInt(Math.ceil(bound ?? 0)), leases: Number(leases) };
      return [owner, { validator, isLeaving: Number(leaving) === 1, ...counted }];
    }),
  );
}
