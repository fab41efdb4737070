/** What owners have bonded in all, and by how much a transaction has changed that. */
import { type BulkStatement, runBulk } from '../../store/bulk.ts';
import type { Reader, Writer } from '../../store/database.ts';

export interface StakeMove {
  owner: string;
  before: bigint;
  after: bigint;
}

export interface Touched {
  /** Whose delegations have changed. */
  owners: Set<string>;
  /** Whose shares are worth more or less: that of all who have any. */
  validators: Set<string>;
}

const OWNERS_OF: BulkStatement = {
  text: 'SELECT d.delegator FROM ROWS AS k CROSS JOIN stake_delegations d WHERE d.validator = k.validator',
  columns: { validator: 'text' },
};
const PARTS_OF: BulkStatement = {
  text: `SELECT d.delegator, d.shares, v.tokens, v.shares AS whole
    FROM ROWS AS k CROSS JOIN stake_delegations d CROSS JOIN stake_validators v
    WHERE d.delegator = k.delegator AND v.validator = d.validator`,
  columns: { delegator: 'text' },
};
const TOLD: BulkStatement = {
  text: 'SELECT t.owner, t.bonded FROM ROWS AS k CROSS JOIN stake_totals t WHERE t.owner = k.owner',
  columns: { owner: 'text' },
};
const SAVE_TOLD: BulkStatement = {
  text: `INSERT INTO stake_totals (owner, bonded) SELECT owner, bonded FROM ROWS AS d WHERE true
    ON CONFLICT (owner) DO UPDATE SET bonded = excluded.bonded`,
  columns: { owner: 'text', bonded: 'text' },
};
const REMOVE_TOLD: BulkStatement = {
  text: 'DELETE FROM stake_totals WHERE owner IN (SELECT owner FROM ROWS AS d)',
  columns: { owner: 'text' },
};

/**
 * Of those who were touched, by name, whose total is another than it was told last. What others gain or lose by a rounding
 * in their validator is told when they are touched the next time: it is less than a micro-FOG each time.
 */
export async function takeMoves(writer: Writer, { owners, validators }: Touched): Promise<StakeMove[]> {
  const beside = await runBulk<{ delegator: string }>(writer, OWNERS_OF, keysOf(validators));
  const names = [...new Set([...owners, ...beside.map(({ delegator }) => delegator)])].sort();
  if (names.length === 0) return [];
  const totals = await bondedOf(writer, names);
  const rows = await runBulk<{ owner: string; bonded: string }>(writer, TOLD, keysOf(names));
  const told = new Map(rows.map(({ owner, bonded }) => [owner, BigInt(bonded)]));
  const moves = names
    .map((owner) => ({ owner, before: told.get(owner) ?? 0n, after: totals.get(owner) ?? 0n }))
    .filter(({ before, after }) => before !== after);
  const [kept, gone] = [moves.filter(({ after }) => after > 0n), moves.filter(({ after }) => after === 0n)];
  await runBulk(
    writer,
    SAVE_TOLD,
    kept.map(({ owner, after }) => [owner, String(after)]),
  );
  await runBulk(
    writer,
    REMOVE_TOLD,
    gone.map(({ owner }) => [owner]),
  );
  return moves;
}

/** What each has bonded with all validators, without what held slashes have taken. */
export async function bondedOf(reader: Reader, owners: Iterable<string>): Promise<Map<string, bigint>> {
  const rows = await runBulk<{ delegator: string; shares: string; tokens: string; whole: string }>(
    reader,
    PARTS_OF,
    keysOf(owners),
  );
  const totals = new Map<string, bigint>();
  for (const { delegator, shares, tokens, whole } of rows) {
    const worth = BigInt(whole) === 0n ? 0n : (BigInt(shares) * BigInt(tokens)) / BigInt(whole);
    totals.set(delegator, (totals.get(delegator) ?? 0n) + worth);
  }
  return totals;
}

function keysOf(names: Iterable<string>): string[][] {
  return Array.from(names, (name) => [name]);
}
