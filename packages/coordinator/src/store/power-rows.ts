/** Rows of stake, power and voting keys. Whoever writes them holds the clock of the ledger. */
import type { PowerCheckpoint, StakeCheckpoint } from '@fog/economy/governance';
import { sql } from 'kysely';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Reader, Writer } from './database.ts';

/** In the table the supply is a voter without a name, which no principal is. */
const SUPPLY = '';
const ALWAYS = Number.MAX_SAFE_INTEGER;

interface StakeRow {
  owner: string;
  sequence: number;
  bonded: string;
  delegate: string | null;
}

/** What held of an owner at a tick; by default what holds now. Null when nothing ever did. */
export async function readStake(reader: Reader, owner: string, sequence = ALWAYS): Promise<StakeCheckpoint | null> {
  const { rows } = await sql<StakeRow>`SELECT owner, sequence, bonded, delegate FROM dao_stakes
    WHERE owner = ${owner} AND sequence <= ${sequence} ORDER BY sequence DESC LIMIT 1`.execute(reader);
  const [row] = rows;
  if (row === undefined) return null;
  return { owner, sequence: row.sequence, bondedMicroFog: BigInt(row.bonded), delegate: row.delegate };
}

const READ_STAKES: BulkStatement = {
  text: `SELECT s.owner, s.sequence, s.bonded, s.delegate FROM ROWS AS k CROSS JOIN dao_stakes s WHERE s.owner = k.owner
    AND s.sequence = (SELECT MAX(l.sequence) FROM dao_stakes l WHERE l.owner = k.owner)`,
  columns: { owner: 'text' },
};

/** What holds now of several owners. */
export async function readStakes(reader: Reader, owners: readonly string[]): Promise<Map<string, StakeCheckpoint>> {
  const rows = await runBulk<StakeRow>(
    reader,
    READ_STAKES,
    owners.map((owner) => [owner]),
  );
  return new Map(
    rows.map(({ owner, sequence, bonded, delegate }) => {
      return [owner, { owner, sequence, bondedMicroFog: BigInt(bonded), delegate }];
    }),
  );
}

const SAVE_STAKES: BulkStatement = {
  text: `INSERT INTO dao_stakes (owner, sequence, bonded, delegate)
    SELECT owner, sequence, bonded, delegate FROM ROWS AS d WHERE true
    ON CONFLICT (owner, sequence) DO UPDATE SET bonded = excluded.bonded, delegate = excluded.delegate`,
  columns: { owner: 'text', sequence: 'bigint', bonded: 'text', delegate: 'text' },
};

/** One row an owner. */
export async function saveStakes(writer: Writer, stakes: readonly StakeCheckpoint[]): Promise<void> {
  await runBulk(
    writer,
    SAVE_STAKES,
    stakes.map(({ owner, sequence, bondedMicroFog, delegate }) => [owner, sequence, String(bondedMicroFog), delegate]),
  );
}

interface PowerRow {
  voter: string;
  sequence: number;
  power: string;
}

/** What held of a voter, or of the supply, at a tick; by default what holds now. */
export async function readPower(reader: Reader, of: string | null, sequence = ALWAYS): Promise<PowerCheckpoint | null> {
  const { rows } = await sql<PowerRow>`SELECT voter, sequence, power FROM dao_powers
    WHERE voter = ${of ?? SUPPLY} AND sequence <= ${sequence} ORDER BY sequence DESC LIMIT 1`.execute(reader);
  const [row] = rows;
  return row === undefined ? null : { of, sequence: row.sequence, powerMicroFog: BigInt(row.power) };
}

const READ_POWERS: BulkStatement = {
  text: `SELECT p.voter, p.sequence, p.power FROM ROWS AS k CROSS JOIN dao_powers p WHERE p.voter = k.voter
    AND p.sequence = (SELECT MAX(l.sequence) FROM dao_powers l WHERE l.voter = k.voter)`,
  columns: { voter: 'text' },
};

/** What holds now of several voters; null stands for the supply. */
export async function readPowers(
  reader: Reader,
  names: Iterable<string | null>,
): Promise<Map<string | null, PowerCheckpoint>> {
  const rows = await runBulk<PowerRow>(
    reader,
    READ_POWERS,
    Array.from(names, (of) => [of ?? SUPPLY]),
  );
  return new Map(
    rows.map(({ voter, sequence, power }) => {
      const of = voter === SUPPLY ? null : voter;
      return [of, { of, sequence, powerMicroFog: BigInt(power) }];
    }),
  );
}

const SAVE_POWERS: BulkStatement = {
  text: `INSERT INTO dao_powers (voter, sequence, power) SELECT voter, sequence, power FROM ROWS AS d WHERE true
    ON CONFLICT (voter, sequence) DO UPDATE SET power = excluded.power`,
  columns: { voter: 'text', sequence: 'bigint', power: 'text' },
};

export async function savePowers(writer: Writer, powers: readonly PowerCheckpoint[]): Promise<void> {
  const rows = powers.map(({ of, sequence, powerMicroFog }) => [of ?? SUPPLY, sequence, String(powerMicroFog)]);
  await runBulk(writer, SAVE_POWERS, rows);
}

export interface VoterAtTicks {
  voter: string;
  publicKey: string;
  beforeMicroFog: bigint;
  atSnapshotMicroFog: bigint;
}

/** Everybody with a key and power at both ticks. */
export async function readVotersAt(
  reader: Reader,
  { before, atSnapshot }: { before: number; atSnapshot: number },
): Promise<VoterAtTicks[]> {
  const at = (sequence: number) => sql`(SELECT p.power FROM dao_powers p
    WHERE p.voter = k.principal AND p.sequence <= ${sequence} ORDER BY p.sequence DESC LIMIT 1)`;
  const { rows } = await sql<{ principal: string; public_key: string; first: string | null; second: string | null }>`
    SELECT k.principal, k.public_key, ${at(before)} AS first, ${at(atSnapshot)} AS second
    FROM dao_voting_keys k`.execute(reader);
  return rows.flatMap(({ principal, public_key: publicKey, first, second }) => {
    if (first === null || second === null) return [];
    return [{ voter: principal, publicKey, beforeMicroFog: BigInt(first), atSnapshotMicroFog: BigInt(second) }];
  });
}

export async function readVotingKey(reader: Reader, principal: string): Promise<string | null> {
  const query = reader.selectFrom('dao_voting_keys').select('public_key').where('principal', '=', principal);
  return (await query.executeTakeFirst())?.public_key ?? null;
}

export async function countVotingKeys(reader: Reader): Promise<number> {
  const query = reader.selectFrom('dao_voting_keys').select(({ fn }) => fn.countAll<number>().as('count'));
  return Number((await query.executeTakeFirstOrThrow()).count);
}

export async function saveVotingKey(writer: Writer, principal: string, publicKey: string, now: number): Promise<void> {
  const changed = { public_key: publicKey, registered_at: now };
  await writer
    .insertInto('dao_voting_keys')
    .values({ principal, ...changed })
    .onConflict((conflict) => conflict.column('principal').doUpdateSet(changed))
    .execute();
}

/** Removes what nobody asks about any more: rows before the one that held at `sequence`. */
export async function forgetPowerBefore(writer: Writer, sequence: number): Promise<void> {
  await sql`DELETE FROM dao_powers WHERE sequence < ${sequence} AND EXISTS (
    SELECT 1 FROM dao_powers n WHERE n.voter = dao_powers.voter
      AND n.sequence > dao_powers.sequence AND n.sequence <= ${sequence})`.execute(writer);
  await sql`DELETE FROM dao_stakes WHERE sequence < ${sequence} AND EXISTS (
    SELECT 1 FROM dao_stakes n WHERE n.owner = dao_stakes.owner
      AND n.sequence > dao_stakes.sequence AND n.sequence <= ${sequence})`.execute(writer);
}

export async function countStakeRows(reader: Reader, owner: string): Promise<number> {
  const query = reader
    .selectFrom('dao_stakes')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('owner', '=', owner);
  return Number((await query.executeTakeFirstOrThrow()).count);
}
