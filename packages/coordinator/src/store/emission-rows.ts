/** Rows of emission: what was kept back for whom, what of it burned in which epoch, and what an epoch has made. */
import type { EmissionClaim } from '@fog/economy/governance';
import { type Selectable, sql } from 'kysely';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { EmissionEpochsTable } from './dao-tables.ts';
import type { Reader, Writer } from './database.ts';

/** Fees on what a job has paid a provider, since the job last burned any. */
export interface EmissionShare {
  job: string;
  provider: string;
  retainedMicroFog: bigint;
}

const KEY = { job_id: 'text', provider: 'text' } as const;

const LOAD_SHARES: BulkStatement = {
  text: `SELECT s.job_id, s.provider, s.retained FROM ROWS AS k CROSS JOIN emission_shares s
    WHERE s.job_id = k.job_id AND s.provider = k.provider`,
  columns: KEY,
};

const SAVE_SHARES: BulkStatement = {
  text: `INSERT INTO emission_shares (job_id, provider, retained) SELECT job_id, provider, retained FROM ROWS AS d WHERE true
    ON CONFLICT (job_id, provider) DO UPDATE SET retained = excluded.retained`,
  columns: { ...KEY, retained: 'text' },
};

/** Adds to what is there, of jobs whose rows are locked. */
export async function addShares(writer: Writer, shares: readonly EmissionShare[]): Promise<void> {
  if (shares.length === 0) return;
  const known = await runBulk<ShareRow>(writer, LOAD_SHARES, keysOf(shares));
  const sums = summed([...known.map(shareOf), ...shares], 'retainedMicroFog');
  await runBulk(
    writer,
    SAVE_SHARES,
    sums.map(({ job, provider, retainedMicroFog }) => [job, provider, String(retainedMicroFog)]),
  );
}

interface Keyed {
  job: string;
  provider: string;
}

function keyOf({ job, provider }: Keyed): string {
  return `${job} ${provider}`;
}

function keysOf(rows: readonly Keyed[]): [job: string, provider: string][] {
  return [...new Map(rows.map((row) => [keyOf(row), row])).values()].map(({ job, provider }) => [job, provider]);
}

/** One for each job and provider, in the order of their keys. */
function summed<Name extends string, Row extends Keyed & Record<Name, bigint>>(
  rows: readonly Row[],
  name: Name,
): Row[] {
  const sums = new Map<string, Row>();
  for (const row of rows) {
    const before = sums.get(keyOf(row));
    sums.set(keyOf(row), before === undefined ? row : { ...row, [name]: before[name] + row[name] });
  }
  return [...sums.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

interface ShareRow {
  job_id: string;
  provider: string;
  retained: string;
}

function shareOf({ job_id: job, provider, retained }: ShareRow): EmissionShare {
  return { job, provider, retainedMicroFog: BigInt(retained) };
}

const TAKE_SHARES: BulkStatement = {
  text: `DELETE FROM emission_shares WHERE job_id IN (SELECT job_id FROM ROWS AS d)
    RETURNING job_id, provider, retained`,
  columns: { job_id: 'text' },
};

/** Those of these jobs, which are gone then. */
export async function takeShares(writer: Writer, jobs: readonly string[]): Promise<EmissionShare[]> {
  const rows = await runBulk<ShareRow>(
    writer,
    TAKE_SHARES,
    jobs.map((id) => [id]),
  );
  return rows.map(shareOf);
}

const LOAD_CLAIMS: BulkStatement = {
  text: `SELECT c.job_id, c.provider, c.burned FROM ROWS AS k CROSS JOIN emission_claims c
    WHERE c.epoch = k.epoch AND c.job_id = k.job_id AND c.provider = k.provider`,
  columns: { epoch: 'bigint', ...KEY },
};

const SAVE_CLAIMS: BulkStatement = {
  text: `INSERT INTO emission_claims (epoch, job_id, provider, burned)
    SELECT epoch, job_id, provider, burned FROM ROWS AS d WHERE true
    ON CONFLICT (epoch, job_id, provider) DO UPDATE SET burned = excluded.burned`,
  columns: { epoch: 'bigint', ...KEY, burned: 'text' },
};

/** Adds to what is there for an epoch that is not over, of jobs whose rows are locked; the ledger is taken. */
export async function addClaims(writer: Writer, epoch: number, claims: readonly EmissionClaim[]): Promise<void> {
  if (claims.length === 0) return;
  const keys = keysOf(claims).map((key) => [epoch, ...key]);
  const known = await runBulk<ClaimRow>(writer, LOAD_CLAIMS, keys);
  const sums = summed([...known.map(claimOf), ...claims], 'burnedMicroFog');
  await runBulk(
    writer,
    SAVE_CLAIMS,
    sums.map(({ job, provider, burnedMicroFog }) => [epoch, job, provider, String(burnedMicroFog)]),
  );
}

interface ClaimRow {
  job_id: string;
  provider: string;
  burned: string;
}

function claimOf({ job_id: job, provider, burned }: ClaimRow): EmissionClaim {
  return { job, provider, burnedMicroFog: BigInt(burned) };
}

/** The first epoch that has claims, or that was begun and is not settled. */
export async function firstOpenEpoch(reader: Reader): Promise<number | null> {
  const claimed = await reader
    .selectFrom('emission_claims')
    .select('epoch')
    .orderBy('epoch')
    .limit(1)
    .executeTakeFirst();
  const begun = await reader
    .selectFrom('emission_epochs')
    .select('epoch')
    .where('settled_at', 'is', null)
    .orderBy('epoch')
    .limit(1)
    .executeTakeFirst();
  const found = [claimed, begun].flatMap((row) => (row === undefined ? [] : [row.epoch]));
  return found.length === 0 ? null : Math.min(...found);
}

/** Of one epoch behind a place, in the order of job and provider. */
export async function readClaims(
  reader: Reader,
  epoch: number,
  { after, limit }: { after: Pick<EmissionClaim, 'job' | 'provider'> | null; limit: number },
): Promise<EmissionClaim[]> {
  const { job = '', provider = '' } = after ?? {};
  const { rows } = await sql<ClaimRow>`SELECT job_id, provider, burned FROM emission_claims
    WHERE epoch = ${epoch} AND (job_id, provider) > (${job}, ${provider})
    ORDER BY job_id, provider LIMIT ${limit}`.execute(reader);
  return rows.map(claimOf);
}

/** The first ones of an epoch, which are gone then. */
export async function takeClaims(writer: Writer, epoch: number, limit: number): Promise<EmissionClaim[]> {
  const { rows } = await sql<ClaimRow>`DELETE FROM emission_claims
    WHERE epoch = ${epoch} AND (job_id, provider) IN (SELECT job_id, provider FROM emission_claims
      WHERE epoch = ${epoch} ORDER BY job_id, provider LIMIT ${limit})
    RETURNING job_id, provider, burned`.execute(writer);
  return rows.map(claimOf);
}

export async function countClaims(reader: Reader): Promise<number> {
  const row = await reader
    .selectFrom('emission_claims')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

/** All that epochs have made, in FOG. */
export async function sumOfEmission(reader: Reader): Promise<number> {
  const { rows } = await sql<{ made: string | number | null }>`SELECT SUM(CAST(made AS NUMERIC)) AS made
    FROM emission_epochs`.execute(reader);
  return Number(rows[0]?.made ?? 0) / 1e6;
}

export interface EmissionEpoch {
  epoch: number;
  claims: number;
  burnedMicroFog: bigint;
  wantedMicroFog: bigint;
  sharePpm: bigint;
  mostMicroFog: bigint;
  madeMicroFog: bigint;
  settledAt: number | null;
}

/** What holds for an epoch from now on; what another has written before stays. */
export async function insertEpoch(writer: Writer, epoch: EmissionEpoch): Promise<void> {
  await writer
    .insertInto('emission_epochs')
    .values({
      epoch: epoch.epoch,
      claims: epoch.claims,
      burned: String(epoch.burnedMicroFog),
      wanted: String(epoch.wantedMicroFog),
      share_ppm: Number(epoch.sharePpm),
      most: String(epoch.mostMicroFog),
      made: String(epoch.madeMicroFog),
      settled_at: epoch.settledAt,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function saveMade(
  writer: Writer,
  { epoch, madeMicroFog, settledAt }: Pick<EmissionEpoch, 'epoch' | 'madeMicroFog' | 'settledAt'>,
): Promise<void> {
  await writer
    .updateTable('emission_epochs')
    .set({ made: String(madeMicroFog), settled_at: settledAt })
    .where('epoch', '=', epoch)
    .execute();
}

export async function readEpoch(reader: Reader, epoch: number): Promise<EmissionEpoch | null> {
  const row = await reader.selectFrom('emission_epochs').selectAll().where('epoch', '=', epoch).executeTakeFirst();
  return row === undefined ? null : epochOf(row);
}

/** The newest first. */
export async function readEpochs(
  reader: Reader,
  { before, limit }: { before: number | null; limit: number },
): Promise<EmissionEpoch[]> {
  let query = reader.selectFrom('emission_epochs').selectAll();
  if (before !== null) query = query.where('epoch', '<', before);
  return (await query.orderBy('epoch', 'desc').limit(limit).execute()).map(epochOf);
}

function epochOf(row: Selectable<EmissionEpochsTable>): EmissionEpoch {
  return {
    epoch: row.epoch,
    claims: row.claims,
    burnedMicroFog: BigInt(row.burned),
    wantedMicroFog: BigInt(row.wanted),
    sharePpm: BigInt(row.share_ppm),
    mostMicroFog: BigInt(row.most),
    madeMicroFog: BigInt(row.made),
    settledAt: row.settled_at,
  };
}
