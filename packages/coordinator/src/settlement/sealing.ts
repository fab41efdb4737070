/**
 * Seals the ledger's rows into a chain of hashes, soon after they were committed.
 *
 *     look -> somebody else seals: nothing
 *          -> read what is not sealed -> hash -> commit, if the last seal is still the one that was read
 *
 * One of the coordinators that share a database seals: the one that did last, until it has been silent for a while. That
 * only spares work; the chain cannot fork, because a seal is written under a lock over the one it follows.
 */
import { FogError } from '@fog/contract';
import { sql } from 'kysely';
import { LEDGER_HOME_LIMITS } from '../limits.ts';
import { type BulkStatement, type BulkValue, runBulk } from '../store/bulk.ts';
import type { Database, Reader, Writer } from '../store/database.ts';
import { NO_HASH, sealOf } from './chain.ts';
import { readBatches, readHashed, type StoredBatch } from './journal.ts';
import type { LedgerRecord } from './records.ts';

export interface SealerDependencies {
  database: Pick<Database, 'engine' | 'read' | 'write'>;
  coordinatorId: string;
  now: () => number;
}

/** Key of the advisory lock; any number that nothing else of ours uses. */
const SEALER_LOCK = 0x5ea1;
/** Batches of which one pass reads the headers. */
const BATCHES_PER_PASS = 1000;

interface LastSeal {
  batch: number;
  hash: Uint8Array;
}

const INSERT_SEALS: BulkStatement = {
  text: 'INSERT INTO ledger_seals (batch, hash, checks, sealed_at) SELECT batch, hash, checks, sealed_at FROM ROWS AS d',
  columns: { batch: 'bigint', hash: 'bytea', checks: 'bytea', sealed_at: 'bigint' },
};

export class Sealer {
  readonly #dependencies: SealerDependencies;

  constructor(dependencies: SealerDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Seals all that is committed, unless another coordinator does. Answers how many batches. What is committed meanwhile
   * waits for the next call: under load each look would find another batch.
   */
  async seal(): Promise<number> {
    let total = 0;
    for (;;) {
      const { sealed, isMore } = await this.#pass();
      total += sealed;
      if (sealed === 0 || !isMore) return total;
    }
  }

  async #pass(): Promise<{ sealed: number; isMore: boolean }> {
    const { database, now, coordinatorId } = this.#dependencies;
    const last = await lastSeal(database.read);
    const batches = await readBatches(database.read, last.batch, BATCHES_PER_PASS);
    if (batches.length === 0 || (await isOthers(database.read, coordinatorId, now())))
      return { sealed: 0, isMore: false };
    const chosen = firstRows(batches);
    const isMore = chosen.length < batches.length || batches.length === BATCHES_PER_PASS;
    const records = await readHashed(database.read, chosen);
    const sealedAt = now();
    const rows = sealRows(last, chosen, { records, sealedAt });
    return database.write(async (writer) => {
      if (!(await isOurTurn(writer, database.engine, last))) return { sealed: 0, isMore: false };
      await runBulk(writer, INSERT_SEALS, rows);
      await saveSealer(writer, coordinatorId, sealedAt + LEDGER_HOME_LIMITS.sealerMilliseconds);
      return { sealed: rows.length, isMore };
    });
  }
}

/** What is not sealed: rows, and for how long the oldest of them has waited. */
export async function unsealedTail(
  reader: Reader,
  now: number,
): Promise<{ sealedSequence: number; unsealedRows: number; ageMilliseconds: number }> {
  const { rows } = await sql<{ sealed: number | null; last: number | null; oldest: number | null }>`SELECT
      (SELECT last_sequence FROM ledger_batches WHERE number = (SELECT MAX(batch) FROM ledger_seals)) AS sealed,
      (SELECT MAX(last_sequence) FROM ledger_batches WHERE number = (SELECT MAX(number) FROM ledger_batches)) AS last,
      (SELECT written_at FROM ledger_batches
        WHERE number = COALESCE((SELECT MAX(batch) FROM ledger_seals), 0) + 1) AS oldest`.execute(reader);
  const { sealed = null, last = null, oldest = null } = rows[0] ?? {};
  const sealedSequence = sealed ?? 0;
  return {
    sealedSequence,
    unsealedRows: (last ?? 0) - sealedSequence,
    ageMilliseconds: oldest === null ? 0 : Math.max(0, now - oldest),
  };
}

/** The newest seal, and the last row that it is for; null before there is any. */
export async function newestSeal(reader: Reader): Promise<(LastSeal & { sequence: number }) | null> {
  const { rows } = await sql<LastSeal & { sequence: number }>`SELECT s.batch, s.hash, b.last_sequence AS sequence
    FROM ledger_seals s JOIN ledger_batches b ON b.number = s.batch ORDER BY s.batch DESC LIMIT 1`.execute(reader);
  return rows[0] ?? null;
}

async function lastSeal(reader: Reader): Promise<LastSeal> {
  const { rows } = await sql<LastSeal>`SELECT batch, hash FROM ledger_seals ORDER BY batch DESC LIMIT 1`.execute(
    reader,
  );
  return rows[0] ?? { batch: 0, hash: NO_HASH };
}

/** As many whole batches as one pass takes, at least one. */
function firstRows(batches: readonly StoredBatch[]): StoredBatch[] {
  const most = (batches[0]?.first ?? 0) + LEDGER_HOME_LIMITS.sealedRows;
  return batches.filter((batch, index) => index === 0 || batch.last < most);
}

function sealRows(
  { batch, hash }: LastSeal,
  batches: readonly StoredBatch[],
  { records, sealedAt }: { records: readonly LedgerRecord[]; sealedAt: number },
): BulkValue[][] {
  const rows: BulkValue[][] = [];
  let previous: Uint8Array = hash;
  let next = 0;
  let number = batch;
  for (const header of batches) {
    const count = header.last - header.first + 1;
    const own = records.slice(next, next + count);
    number += 1;
    assertWhole(header, number, own);
    const seal = sealOf(previous, header, { records: own, sealedAt });
    rows.push([header.number, seal.hash, seal.checks, sealedAt]);
    previous = seal.hash;
    next += count;
  }
  return rows;
}

/** What is not whole is not sealed: a seal would vouch for it. */
function assertWhole(header: StoredBatch, number: number, records: readonly LedgerRecord[]): void {
  const isWhole = header.number === number && records.every(({ sequence }, index) => sequence === header.first + index);
  if (isWhole && records.length === header.last - header.first + 1) return;
  throw new FogError('internal', `batch ${number} of the ledger is not whole, and is not sealed`, {
    hint: 'run "fog ledger verify": rows are missing or were changed',
    details: { batch: number },
  });
}

async function isOthers(reader: Reader, coordinatorId: string, now: number): Promise<boolean> {
  const { rows } = await sql<{ coordinator_id: string; until: number }>`SELECT coordinator_id, until
    FROM ledger_sealer WHERE id = 1`.execute(reader);
  const [sealer] = rows;
  return sealer !== undefined && sealer.coordinator_id !== coordinatorId && sealer.until > now;
}

/** Whether nobody has sealed since; until the commit nobody else can. */
async function isOurTurn(writer: Writer, engine: Database['engine'], last: LastSeal): Promise<boolean> {
  if (engine === 'postgres') {
    const { rows } = await sql<{ free: boolean }>`SELECT pg_try_advisory_xact_lock(${SEALER_LOCK}) AS free`.execute(
      writer,
    );
    if (rows[0]?.free !== true) return false;
  }
  return (await lastSeal(writer)).batch === last.batch;
}

async function saveSealer(writer: Writer, coordinatorId: string, until: number): Promise<void> {
  await sql`INSERT INTO ledger_sealer (id, coordinator_id, until) VALUES (1, ${coordinatorId}, ${until})
    ON CONFLICT (id) DO UPDATE SET coordinator_id = excluded.coordinator_id, until = excluded.until`.execute(writer);
}
