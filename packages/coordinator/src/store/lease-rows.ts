/** The attempts of fresh leases. */
import type { AttemptName, PlacementReason } from '@fog/contract';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Writer } from './database.ts';

const INSERT_LEASES: BulkStatement = {
  text: `INSERT INTO attempts (job_id, partition, fence, state, node_id, suitable, placement, price, payee,
      bond, leased_at, log_bytes)
    SELECT job_id, partition, fence, 'leased', node_id, suitable, placement, price, payee, bond, leased_at, 0 FROM ROWS AS d`,
  columns: {
    job_id: 'text',
    partition: 'integer',
    fence: 'integer',
    node_id: 'text',
    suitable: 'integer',
    placement: 'text',
    price: 'bigint',
    payee: 'text',
    bond: 'bigint',
    leased_at: 'bigint',
  },
};

export interface NewLease {
  name: AttemptName;
  node: string;
  suitable: number;
  reason: PlacementReason;
  /** Micro-FOG for a slice; null where nobody pays. */
  price: number | null;
  /** Whose node it is. */
  payee: string;
  /** What it binds of the stake of the payee, in micro-FOG; null where that is nothing. */
  bond: number | null;
}

/** Inserts the attempts of fresh leases. */
export async function insertLeases(writer: Writer, leases: readonly NewLease[], now: number): Promise<void> {
  // Leases of one choice share one reason.
  const texts = new Map<PlacementReason, string>();
  const textOf = (reason: PlacementReason) => texts.getOrInsertComputed(reason, () => JSON.stringify(reason));
  const rows = leases.map(({ name, node, suitable, reason, price, payee, bond }) => {
    return [name.job, name.partition, name.fence, node, suitable, textOf(reason), price, payee, bond, now];
  });
  await runBulk(writer, INSERT_LEASES, rows);
}
