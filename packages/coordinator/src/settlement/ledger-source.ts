/** Where a ledger that is to be verified comes from: the database, read batch by batch. */
import { sql } from 'kysely';
import { LEDGER_HOME_LIMITS } from '../limits.ts';
import { type BulkStatement, runBulk } from '../store/bulk.ts';
import type { Reader } from '../store/database.ts';
import { readBatches, readRecords, type StoredBalance, type StoredBatch, type StoredRecord } from './journal.ts';
import type { LedgerFault } from './ledger-faults.ts';
import { readTime } from './records.ts';

export interface SourceBatch {
  /** null for rows that no batch names. */
  batch: StoredBatch | null;
  /** What lies where the batch has to lie, in order. */
  records: readonly StoredRecord[];
  first: number;
  last: number;
}

export interface StoredClock {
  sequence: number;
  batch: number;
  timestamp: bigint;
  expiredUntil: bigint;
}

export interface LedgerSource {
  batches(): AsyncIterable<SourceBatch>;
  /** Those of the last batch that are there, of these accounts; null where balances are not told. */
  balances(keys: readonly Pick<StoredBalance, 'account' | 'sequence'>[]): Promise<StoredBalance[] | null>;
  /** What is there beyond what was counted. */
  leftovers(counted: { records: number; balances: number; batches: number; seals: number }): Promise<LedgerFault[]>;
  /** null where there is none to compare with. */
  clock(): Promise<StoredClock | null>;
}

const READ_BALANCES: BulkStatement = {
  text: `SELECT t.account, t.sequence, t.body, t.entries FROM ROWS AS k CROSS JOIN ledger_balances t
    WHERE t.account = k.account AND t.sequence = k.sequence`,
  columns: { account: 'bigint', sequence: 'bigint' },
};
const BATCHES_AT_ONCE = 1000;

/** `reader` is a transaction that sees one state, so that what is committed meanwhile does not matter. */
export function databaseSource(reader: Reader): LedgerSource {
  return {
    batches: () => batchesOf(reader),
    balances: (keys) =>
      runBulk<StoredBalance>(
        reader,
        READ_BALANCES,
        keys.map(({ account, sequence }) => [account, sequence]),
      ),
    leftovers: (counted) => leftoversOf(reader, counted),
    clock: async () => {
      const { rows } = await sql<{ sequence: number; batch: number; timestamp: Uint8Array; expired_until: Uint8Array }>`
        SELECT sequence, batch, timestamp, expired_until FROM ledger_clock WHERE id = 1`.execute(reader);
      const [row] = rows;
      if (row === undefined) return null;
      const { sequence, batch, timestamp, expired_until } = row;
      return { sequence, batch, timestamp: readTime(timestamp), expiredUntil: readTime(expired_until) };
    },
  };
}

async function* batchesOf(reader: Reader): AsyncIterable<SourceBatch> {
  let after = 0;
  let first = 1;
  for (;;) {
    const batches = await readBatches(reader, after, BATCHES_AT_ONCE);
    for (let next = 0; next < batches.length; ) {
      const group = groupFrom(batches, next, first);
      const records = await readRecords(reader, first, group.at(-1)?.last ?? first);
      let from = 0;
      for (const placed of group) {
        let to = from;
        while ((records[to]?.sequence ?? Number.POSITIVE_INFINITY) <= placed.last) to += 1;
        yield { ...placed, records: records.slice(from, to) };
        from = to;
      }
      next += group.filter(({ batch }) => batch !== null).length;
      first = (group.at(-1)?.last ?? first) + 1;
    }
    if (batches.length < BATCHES_AT_ONCE) return;
    after = batches.at(-1)?.number ?? after;
  }
}

type Placed = Omit<SourceBatch, 'records'>;

/** Where batches lie: one behind the other, however many rows each has been sealed with. At least one. */
function groupFrom(batches: readonly StoredBatch[], from: number, start: number): Placed[] {
  const group: Placed[] = [];
  let first = start;
  for (const batch of batches.slice(from)) {
    const sealed = batch.seal === null ? null : batch.seal.checks.length / 4 - 1;
    const isNext = batch.first === first;
    // One whose number or rows are gone leaves a hole; one whose header alone is wrong has the rows that it was sealed with.
    const hasHole = !isNext && batch.first > first && sealed === batch.last - batch.first + 1;
    if (hasHole) group.push({ batch: null, first, last: batch.first - 1 });
    const begins = hasHole ? batch.first : first;
    const last = sealed === null ? Math.max(batch.last, begins) : begins + sealed - 1;
    group.push({ batch, first: begins, last });
    first = last + 1;
    if (first - start >= LEDGER_HOME_LIMITS.sealedRows) break;
  }
  return group;
}

const COUNTED = [
  ['records', ['ledger_accounts', 'ledger_transfers', 'ledger_expiries', 'ledger_failures']],
  ['balances', ['ledger_balances']],
  ['batches', ['ledger_batches']],
  ['seals', ['ledger_seals']],
] as const;

async function leftoversOf(reader: Reader, counted: Parameters<LedgerSource['leftovers']>[0]): Promise<LedgerFault[]> {
  const faults: LedgerFault[] = [];
  for (const [what, tables] of COUNTED) {
    let found = 0;
    for (const table of tables) {
      const { rows } = await sql<{ count: number }>`SELECT COUNT(*) AS count FROM ${sql.raw(table)}`.execute(reader);
      found += Number(rows[0]?.count ?? 0);
    }
    const expected = counted[what];
    if (found === expected) continue;
    faults.push({
      table: tables.join(', '),
      row: 'all',
      field: null,
      expected: String(expected),
      found: String(found),
      message: `the number of ${what} is not what the batches name`,
    });
  }
  return faults;
}
