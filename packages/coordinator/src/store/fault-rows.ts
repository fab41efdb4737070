/** Results that trusted nodes or arbiters have proven wrong, and what has become of that. */
import { sql } from 'kysely';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Reader, Writer } from './database.ts';
import type { StakeFaultsTable } from './stake-tables.ts';

export interface NewFault {
  fault: string;
  job: string;
  partition: number;
  fence: number;
  validator: string;
  nodeId: string;
  buyer: string;
  foundAt: number;
  claimedDigest: string;
  digest: string;
  slashPpm: bigint;
  insurancePpm: bigint;
  paidForTask: bigint;
}

/** With what the row of the attempt tells. One that is known already stays as it is. */
const INSERT: BulkStatement = {
  text: `INSERT INTO stake_faults (fault, job_id, partition, fence, validator, node_id, buyer, leased_at, found_at,
      claimed_digest, digest, signature, slash_ppm, insurance_ppm, paid_for_task, state, try_at)
    SELECT d.fault, d.job_id, d.partition, d.fence, d.validator, d.node_id, d.buyer, a.leased_at, d.found_at,
      d.claimed_digest, d.digest, d.signature, d.slash_ppm, d.insurance_ppm, d.paid, 'waiting', d.found_at
    FROM ROWS AS d CROSS JOIN attempts a
    WHERE a.job_id = d.job_id AND a.partition = d.partition AND a.fence = d.fence
    ON CONFLICT (fault) DO NOTHING`,
  columns: {
    fault: 'text',
    job_id: 'text',
    partition: 'integer',
    fence: 'integer',
    validator: 'text',
    node_id: 'text',
    buyer: 'text',
    found_at: 'bigint',
    claimed_digest: 'text',
    digest: 'text',
    signature: 'text',
    slash_ppm: 'text',
    insurance_ppm: 'text',
    paid: 'text',
  },
};

const OUTCOMES: BulkStatement = {
  text: `SELECT a.job_id, a.partition, a.fence, a.outcome FROM ROWS AS k CROSS JOIN attempts a
    WHERE a.job_id = k.job_id AND a.partition = k.partition AND a.fence = k.fence`,
  columns: { job_id: 'text', partition: 'integer', fence: 'integer' },
};

export async function insertFaults(writer: Writer, faults: readonly NewFault[]): Promise<void> {
  if (faults.length === 0) return;
  const keys = faults.map(({ job, partition, fence }) => [job, partition, fence]);
  const rows = await runBulk<{ job_id: string; partition: number; fence: number; outcome: string | null }>(
    writer,
    OUTCOMES,
    keys,
  );
  const signatures = new Map(
    rows.map(({ job_id: job, partition, fence, outcome }) => {
      const { signature = null } = JSON.parse(outcome ?? '{}') as { signature?: string };
      return [`${job}/${partition}/${fence}`, signature];
    }),
  );
  await runBulk(
    writer,
    INSERT,
    faults.map((fault) => [
      ...[fault.fault, fault.job, fault.partition, fault.fence, fault.validator, fault.nodeId, fault.buyer],
      ...[fault.foundAt, fault.claimedDigest, fault.digest, signatures.get(fault.fault) ?? null],
      ...[String(fault.slashPpm), String(fault.insurancePpm), String(fault.paidForTask)],
    ]),
  );
}

export interface ArbitratedFault extends NewFault {
  leasedAt: number;
  signature: string | null;
  /** JSON of the draw and of what the arbiters found; null where a trusted node has proven it. */
  evidence: string | null;
}

/** With all that is known of the attempt, whose row may be gone by now. */
export async function insertArbitratedFaults(writer: Writer, faults: readonly ArbitratedFault[]): Promise<void> {
  if (faults.length === 0) return;
  const rows = faults.map((fault) => ({
    fault: fault.fault,
    ...{ job_id: fault.job, partition: fault.partition, fence: fault.fence, validator: fault.validator },
    ...{ node_id: fault.nodeId, buyer: fault.buyer, leased_at: fault.leasedAt, found_at: fault.foundAt },
    ...{ claimed_digest: fault.claimedDigest, digest: fault.digest, signature: fault.signature },
    ...{ slash_ppm: String(fault.slashPpm), insurance_ppm: String(fault.insurancePpm) },
    ...{ paid_for_task: String(fault.paidForTask), state: 'waiting', try_at: fault.foundAt, evidence: fault.evidence },
    ...{ void_reason: null, appeal_reason: null, decided_by: null, decision_reason: null },
  }));
  await writer
    .insertInto('stake_faults')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Those that wait and whose time has come, the oldest first. */
export async function readWaitingFaults(reader: Reader, now: number, limit: number): Promise<StakeFaultsTable[]> {
  return await reader
    .selectFrom('stake_faults')
    .selectAll()
    .where('state', '=', 'waiting')
    .where('try_at', '<=', now)
    .orderBy('try_at')
    .orderBy('fault')
    .limit(limit)
    .execute();
}

export async function readFault(reader: Reader, fault: string): Promise<StakeFaultsTable | undefined> {
  return await reader.selectFrom('stake_faults').selectAll().where('fault', '=', fault).executeTakeFirst();
}

export async function changeFault(
  writer: Writer,
  fault: string,
  change: Partial<
    Pick<StakeFaultsTable, 'state' | 'try_at' | 'void_reason' | 'appeal_reason' | 'decided_by' | 'decision_reason'>
  >,
): Promise<void> {
  await writer.updateTable('stake_faults').set(change).where('fault', '=', fault).execute();
}

/** Those without a slash that nobody can prove any more. */
export async function removeVoidFaults(writer: Writer, foundBefore: number): Promise<void> {
  await writer.deleteFrom('stake_faults').where('state', '=', 'void').where('found_at', '<', foundBefore).execute();
}

/**
 * The newest row of the ledger that was written before a time, 0 before the first. Batches are numbered without gaps as they
 * come, so the place is found by halves.
 */
export async function ledgerSequenceBefore(reader: Reader, at: number): Promise<number> {
  const { rows } = await sql<{ batch: number }>`SELECT batch FROM ledger_clock WHERE id = 1`.execute(reader);
  let [low, high] = [0, rows[0]?.batch ?? 0];
  let sequence = 0;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const row = await reader
      .selectFrom('ledger_batches')
      .select(['written_at', 'last_sequence'])
      .where('number', '=', middle)
      .executeTakeFirst();
    if (row !== undefined && row.written_at >= at) high = middle - 1;
    else [low, sequence] = [middle, row?.last_sequence ?? 0];
  }
  return sequence;
}
