/** Tasks whose results differ, as long as it is looked for those that are wrong, and what came of it. */
import type { TaskOutput } from '@fog/contract';
import { sql } from 'kysely';
import { ARBITRATION_LIMITS } from '../settlement/arbitration/limits.ts';
import type { NewArbitration } from '../settlement/arbitration/opening.ts';
import type { ArbitrationRecord, ArbitrationState, Party } from '../settlement/arbitration/record.ts';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Database, Reader, Writer } from './database.ts';
import type { ArbitrationsTable } from './stake-tables.ts';

const LOAD_LEASES: BulkStatement = {
  text: `SELECT a.job_id, a.partition, a.fence, a.leased_at, n.prefix FROM ROWS AS k CROSS JOIN attempts a
    LEFT JOIN nodes n ON n.id = a.node_id
    WHERE a.job_id = k.job_id AND a.partition = k.partition AND a.fence = k.fence`,
  columns: { job_id: 'text', partition: 'integer', fence: 'integer' },
};

const COUNT_OF_PAYERS: BulkStatement = {
  text: 'SELECT k.paid_by, COUNT(a.id) AS count FROM ROWS AS k LEFT JOIN arbitrations a ON a.paid_by = k.paid_by GROUP BY k.paid_by',
  columns: { paid_by: 'text' },
};

const INSERT: BulkStatement = {
  text: `INSERT INTO arbitrations (id, job_id, partition, paid_by, state, opened_at, record)
    SELECT id, job_id, partition, paid_by, 'open', opened_at, record FROM ROWS AS d WHERE true ON CONFLICT (id) DO NOTHING`,
  columns: { id: 'text', job_id: 'text', partition: 'integer', paid_by: 'text', opened_at: 'bigint', record: 'text' },
};

interface LeaseRow {
  job_id: string;
  partition: number;
  fence: number;
  leased_at: number;
  /** Null of a node that was removed. */
  prefix: string | null;
}

/** One that is there already stays as it is; of one job no more than are looked into. */
export async function insertArbitrations(writer: Writer, found: readonly NewArbitration[], now: number): Promise<void> {
  if (found.length === 0) return;
  const payers = new Set(found.map(({ paidBy }) => paidBy));
  const counted = await runBulk<{ paid_by: string; count: number }>(
    writer,
    COUNT_OF_PAYERS,
    Array.from(payers, (payer) => [payer]),
  );
  const counts = new Map(counted.map((row) => [row.paid_by, Number(row.count)]));
  const opened = found.filter(({ paidBy }) => {
    const before = counts.get(paidBy) ?? 0;
    counts.set(paidBy, before + 1);
    return before < ARBITRATION_LIMITS.ofJob;
  });
  const keys = opened.flatMap(({ job, partition, parties }) => parties.map(({ fence }) => [job, partition, fence]));
  const leases = await runBulk<LeaseRow>(writer, LOAD_LEASES, keys);
  const leaseOf = new Map(leases.map((row) => [`${row.job_id}/${row.partition}/${row.fence}`, row]));
  const rows = opened.map(({ job, partition, paidBy, parties: known, ...rest }) => {
    const parties = known.flatMap((party): Party[] => {
      const lease = leaseOf.get(`${job}/${partition}/${party.fence}`);
      return lease === undefined ? [] : [{ ...party, prefix: lease.prefix ?? '', leasedAt: lease.leased_at }];
    });
    const record: ArbitrationRecord = { version: 1, ...rest, parties, runs: [], until: 0, draw: null };
    const newest = Math.max(...parties.map(({ fence }) => fence));
    return [`${job}/${partition}/${newest}`, job, partition, paidBy, now, JSON.stringify(record)];
  });
  await runBulk(writer, INSERT, rows);
}

/** Those that somebody runs again, the oldest first. */
export async function readRunning(reader: Reader): Promise<ArbitrationsTable[]> {
  return await reader
    .selectFrom('arbitrations')
    .selectAll()
    .where('ended_at', 'is', null)
    .where('state', '<>', 'open' satisfies ArbitrationState)
    .orderBy('opened_at')
    .orderBy('id')
    .limit(ARBITRATION_LIMITS.underWay)
    .execute();
}

/** Those that nobody runs yet, the oldest first; of one buyer no more than may be under way together. */
export async function readOpen(reader: Reader, limit: number): Promise<ArbitrationsTable[]> {
  const { rows } = await sql<ArbitrationsTable>`
    SELECT id, job_id, partition, paid_by, state, opened_at, ended_at, record FROM (
      SELECT a.*, ROW_NUMBER() OVER (
          PARTITION BY j.submitter ORDER BY CASE WHEN a.state = 'open' THEN 1 ELSE 0 END, a.opened_at, a.id) AS place
        FROM arbitrations a LEFT JOIN jobs j ON j.id = a.paid_by WHERE a.ended_at IS NULL) AS placed
    WHERE state = 'open' AND place <= ${sql.lit(ARBITRATION_LIMITS.ofBuyer)}
    ORDER BY opened_at, id LIMIT ${limit}`.execute(reader);
  return rows;
}

/** Locks it; false when another coordinator has done something to it since it was read. */
export async function isAsRead(writer: Writer, engine: Database['engine'], row: ArbitrationsTable): Promise<boolean> {
  const query = writer.selectFrom('arbitrations').select(['state', 'record']).where('id', '=', row.id);
  const known = await (engine === 'postgres' ? query.forUpdate() : query).executeTakeFirst();
  return known?.state === row.state && known.record === row.record;
}

export async function saveArbitration(
  writer: Writer,
  id: string,
  { state, record, endedAt = null }: { state: ArbitrationState; record: ArbitrationRecord; endedAt?: number | null },
): Promise<void> {
  const change = { state, record: JSON.stringify(record), ended_at: endedAt };
  await writer.updateTable('arbitrations').set(change).where('id', '=', id).execute();
}

/** Removes those of which no evidence counts any more. */
export async function removeArbitrations(database: Database, endedBefore: number): Promise<void> {
  const old = await database.read
    .selectFrom('arbitrations')
    .select('id')
    .where('ended_at', '<', endedBefore)
    .limit(ARBITRATION_LIMITS.removed)
    .execute();
  if (old.length === 0) return;
  const ids = old.map(({ id }) => id);
  await database.write((writer) => writer.deleteFrom('arbitrations').where('id', 'in', ids).execute());
}

export interface ArbitrationRunRow {
  job: string;
  hasEnded: boolean;
  /** Of its result, and who gave it; null while there is none. */
  result: { outputs: TaskOutput[]; owner: string } | null;
}

const LOAD_RUNS: BulkStatement = {
  text: `SELECT j.id, j.ended_at, t.state, t.outputs, a.payee FROM ROWS AS k CROSS JOIN jobs j
    LEFT JOIN tasks t ON t.job_id = j.id
    LEFT JOIN attempts a ON a.job_id = t.job_id AND a.partition = t.partition AND a.fence = t.accepted_fence
    WHERE j.id = k.id`,
  columns: { id: 'text' },
};

interface RunRow {
  id: string;
  ended_at: number | null;
  state: string | null;
  outputs: string | null;
  payee: string | null;
}

/** Hidden runs of an arbitration, by their jobs. */
export async function readArbitrationRuns(
  reader: Reader,
  jobs: readonly string[],
): Promise<Map<string, ArbitrationRunRow>> {
  const rows = await runBulk<RunRow>(
    reader,
    LOAD_RUNS,
    jobs.map((id) => [id]),
  );
  return new Map(
    rows.map(({ id, ended_at: endedAt, state, outputs, payee }) => {
      const hasResult = state === 'succeeded' && payee !== null;
      const result = hasResult ? { outputs: JSON.parse(outputs ?? '[]') as TaskOutput[], owner: payee } : null;
      return [id, { job: id, hasEnded: endedAt !== null, result }];
    }),
  );
}
