/** Records of escrows and settlements, in the rows of the jobs and tasks that they are of. */
import type { Currency } from '@fog/economy/chart';
import {
  balanceOf,
  type EscrowRecord,
  readRecord,
  readSettlement,
  readTerms,
  type TaskSettlement,
  writeRecord,
  writeSettlement,
} from '@fog/economy/escrow';
import { sql } from 'kysely';
import type { TurnTask } from '../dispatch/turn-records.ts';
import { SETTLEMENT_LIMITS } from '../limits.ts';
import { idBytes, readId } from '../settlement/records.ts';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Database, Reader, Writer } from './database.ts';
import { LIVE_STATES } from './live-attempts.ts';
import { rowLock } from './turn-rows.ts';

const LOAD_ESCROWS: BulkStatement = {
  text: 'SELECT j.id, j.escrow FROM ROWS AS k CROSS JOIN jobs j WHERE j.id = k.id AND j.escrow IS NOT NULL',
  columns: { id: 'text' },
};

/** Of jobs whose rows are locked. */
export async function loadEscrows(writer: Writer, jobs: readonly string[]): Promise<Map<string, EscrowRecord>> {
  const rows = await runBulk<{ id: string; escrow: string }>(
    writer,
    LOAD_ESCROWS,
    jobs.map((id) => [id]),
  );
  return new Map(rows.map(({ id, escrow }) => [id, readRecord(escrow)]));
}

const LOCK_ESCROWS: BulkStatement = {
  text: 'SELECT t.id, t.escrow FROM ROWS AS k CROSS JOIN jobs t WHERE t.id = k.id ORDER BY t.id',
  columns: { id: 'text' },
  lock: 'FOR UPDATE OF t',
};

/** The same; locks the rows of these and of other jobs, in the order of their ids. Without any it locks nothing. */
export async function lockEscrows(
  writer: Writer,
  jobs: ReadonlySet<string>,
  others: readonly string[],
): Promise<Map<string, EscrowRecord>> {
  if (jobs.size === 0) return new Map();
  const rows = await runBulk<{ id: string; escrow: string | null }>(
    writer,
    LOCK_ESCROWS,
    Array.from(new Set([...jobs, ...others]), (id) => [id]),
  );
  return new Map(
    rows.flatMap(({ id, escrow }) => (escrow === null || !jobs.has(id) ? [] : [[id, readRecord(escrow)]])),
  );
}

const READ_TRUSTED: BulkStatement = {
  text: 'SELECT n.id FROM ROWS AS k CROSS JOIN nodes n WHERE n.id = k.id AND n.trusted = 1',
  columns: { id: 'text' },
};

/** Those of the nodes that are trusted at this moment. */
export async function readTrusted(writer: Writer, nodes: readonly string[]): Promise<Set<string>> {
  if (nodes.length === 0) return new Set();
  const rows = await runBulk<{ id: string }>(
    writer,
    READ_TRUSTED,
    Array.from(new Set(nodes), (id) => [id]),
  );
  return new Set(rows.map(({ id }) => id));
}

const SAVE_ESCROWS: BulkStatement = {
  text: 'UPDATE jobs SET escrow = d.escrow, escrow_open = d.escrow_open FROM ROWS AS d WHERE jobs.id = d.id',
  columns: { id: 'text', escrow: 'text', escrow_open: 'integer' },
};

export async function saveEscrows(writer: Writer, records: ReadonlyMap<string, EscrowRecord>): Promise<void> {
  const rows = [...records].map(([id, record]) => [id, writeRecord(record), record.phase === 'open' ? 1 : 0]);
  await runBulk(writer, SAVE_ESCROWS, rows);
}

const LOAD_SETTLEMENTS: BulkStatement = {
  text: `SELECT t.job_id, t.partition, t.settlement FROM ROWS AS k CROSS JOIN tasks t
    WHERE t.job_id = k.job_id AND t.partition = k.partition AND t.settlement IS NOT NULL`,
  columns: { job_id: 'text', partition: 'integer' },
};

/** What was paid for these tasks before; nothing for those that are missing. */
export async function loadSettlements(
  writer: Writer,
  tasks: readonly TurnTask[],
): Promise<Map<TurnTask, TaskSettlement>> {
  const keyOf = (job: string, partition: number) => `${job} ${partition}`;
  const rows = await runBulk<{ job_id: string; partition: number; settlement: string }>(
    writer,
    LOAD_SETTLEMENTS,
    tasks.map(({ job, partition }) => [job, partition]),
  );
  const texts = new Map(rows.map((row) => [keyOf(row.job_id, row.partition), row.settlement]));
  return new Map(
    tasks.flatMap((task) => {
      const text = texts.get(keyOf(task.job, task.partition));
      return text === undefined ? [] : [[task, readSettlement(text)]];
    }),
  );
}

const SAVE_SETTLEMENTS: BulkStatement = {
  text: `UPDATE tasks SET settlement = d.settlement FROM ROWS AS d
    WHERE tasks.job_id = d.job_id AND tasks.partition = d.partition`,
  columns: { job_id: 'text', partition: 'integer', settlement: 'text' },
};

export async function saveSettlements(
  writer: Writer,
  settlements: ReadonlyMap<TurnTask, TaskSettlement>,
): Promise<void> {
  await runBulk(
    writer,
    SAVE_SETTLEMENTS,
    [...settlements].map(([{ job, partition }, settlement]) => [job, partition, writeSettlement(settlement)]),
  );
}

/** Jobs that were covered and have not been closed. */
export async function countOpenEscrows(reader: Reader): Promise<number> {
  const { rows } = await sql<{ open: number }>`SELECT COUNT(*) AS open FROM jobs WHERE escrow_open = 1`.execute(reader);
  return Number(rows[0]?.open ?? 0);
}

export interface EndedJob {
  id: string;
  liveLeases: number;
  reopenedTasks: number;
}

/**
 * Jobs that have ended and have money in escrow, locked; those that others hold are left out, and those of which something
 * may still be owed, however many there are: nobody waits behind them.
 */
export async function lockEndedJobs(writer: Writer, engine: Database['engine']): Promise<EndedJob[]> {
  const { rows } = await sql<{ id: string }>`SELECT id FROM jobs WHERE escrow_open = 1 AND ended_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM paid_services p WHERE p.job_id = jobs.id)
    AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job_id = jobs.id AND ${sql.raw(LIVE)})
    AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.job_id = jobs.id AND ${sql.raw(REOPENED)})
    ORDER BY ended_at, id LIMIT ${sql.lit(SETTLEMENT_LIMITS.closedEscrows)}
    ${rowLock(engine, 'FOR UPDATE SKIP LOCKED')}`.execute(writer);
  const counted = await runBulk<{ id: string; live: number; reopened: number }>(
    writer,
    COUNT_OPEN,
    rows.map(({ id }) => [id]),
  );
  return counted.map(({ id, live, reopened }) => ({
    id,
    liveLeases: Number(live),
    reopenedTasks: Number(reopened),
  }));
}

const LIVE = `a.state IN ${LIVE_STATES}`;
const REOPENED = '(t.reverifying = 1 OR t.verification_due IS NOT NULL)';

/** Asked once more when their rows are locked: something may have begun before. */
const COUNT_OPEN: BulkStatement = {
  text: `SELECT k.id,
      (SELECT COUNT(*) FROM attempts a WHERE a.job_id = k.id AND ${LIVE}) AS live,
      (SELECT COUNT(*) FROM tasks t WHERE t.job_id = k.id AND ${REOPENED}) AS reopened
    FROM ROWS AS k`,
  columns: { id: 'text' },
};

const INSERT_NAMES: BulkStatement = {
  text: 'INSERT INTO wallet_names (account, principal) SELECT account, principal FROM ROWS AS d WHERE true ON CONFLICT DO NOTHING',
  columns: { account: 'bytea', principal: 'text' },
};

/** Whose accounts these are: their ids tell it to nobody. */
export async function insertWalletNames(
  writer: Writer,
  names: readonly (readonly [account: bigint, principal: string])[],
): Promise<void> {
  await runBulk(
    writer,
    INSERT_NAMES,
    names.map(([account, principal]) => [idBytes(account), principal]),
  );
}

const READ_NAMES: BulkStatement = {
  text: 'SELECT n.account, n.principal FROM ROWS AS k CROSS JOIN wallet_names n WHERE n.account = k.account',
  columns: { account: 'bytea' },
};

export async function readWalletNames(reader: Reader, accounts: readonly bigint[]): Promise<Map<bigint, string>> {
  const rows = await runBulk<{ account: Uint8Array; principal: string }>(
    reader,
    READ_NAMES,
    Array.from(new Set(accounts), (account) => [idBytes(account)]),
  );
  return new Map(rows.map(({ account, principal }) => [readId(account), principal]));
}

/** What lies in escrow for the jobs of a principal, by currency. */
export async function readOpenEscrows(reader: Reader, principal: string): Promise<Map<Currency, bigint>> {
  const rows = await reader
    .selectFrom('jobs')
    .select(['escrow', 'payment_terms'])
    .where('submitter', '=', principal)
    .where('escrow_open', '=', 1)
    .execute();
  const sums = new Map<Currency, bigint>();
  for (const { escrow, payment_terms: terms } of rows) {
    const currency = terms === null ? null : readTerms(terms).currency;
    if (escrow === null || currency === null) continue;
    sums.set(currency, (sums.get(currency) ?? 0n) + balanceOf(readRecord(escrow)));
  }
  return sums;
}
