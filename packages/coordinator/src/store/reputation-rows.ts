/** What checks of results say of owners of nodes, in batches. What they say of a node is saved with its trust. */
import { type ReputationRecord, readReputation, unknownReputation, writeReputation } from '@fog/economy/reputation';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Reader, Writer } from './database.ts';
import { StaleRows } from './turn-rows.ts';

const READ: BulkStatement = {
  text: 'SELECT t.owner, t.record, t.version FROM ROWS AS k CROSS JOIN owner_reputations t WHERE t.owner = k.owner',
  columns: { owner: 'text' },
};

/** In the order of the owners, so that two coordinators cannot wait for each other. */
const LOAD: BulkStatement = { ...READ, text: `${READ.text} ORDER BY t.owner`, lock: 'FOR UPDATE OF t' };

const SAVE: BulkStatement = {
  text: `INSERT INTO owner_reputations (owner, record, version)
    SELECT owner, record, version FROM ROWS AS d WHERE true ORDER BY owner
    ON CONFLICT (owner) DO UPDATE SET record = excluded.record, version = excluded.version
    WHERE owner_reputations.version = excluded.version - 1 RETURNING owner`,
  columns: { owner: 'text', record: 'text', version: 'bigint' },
};

interface OwnerRow {
  owner: string;
  record: string;
  version: number;
}

/** What is known of all nodes of an owner. */
export interface OwnerReputation {
  owner: string;
  reputation: ReputationRecord;
  version: number;
}

export function unknownOwner(owner: string): OwnerReputation {
  return { owner, reputation: unknownReputation(), version: 0 };
}

/** Of each of these owners, locked where it is known. */
export async function lockOwners(writer: Writer, owners: Iterable<string>): Promise<Map<string, OwnerReputation>> {
  const names = [...new Set(owners)];
  const rows = await runBulk<OwnerRow>(
    writer,
    LOAD,
    names.map((owner) => [owner]),
  );
  const known = new Map(rows.map((row) => [row.owner, row]));
  return new Map(
    names.map((owner) => {
      const row = known.get(owner);
      if (row === undefined) return [owner, unknownOwner(owner)];
      return [owner, { owner, reputation: readReputation(row.record), version: row.version }];
    }),
  );
}

/** Answers them as they stand from then on. Throws, so that the transaction is run again, when another coordinator was the first to know an owner. */
export async function saveOwners<Owner extends OwnerReputation>(
  writer: Writer,
  owners: readonly Owner[],
): Promise<Owner[]> {
  const rows = owners.map(({ owner, reputation, version }) => [owner, writeReputation(reputation), version + 1]);
  const saved = await runBulk(writer, SAVE, rows);
  if (saved.length !== rows.length) throw new StaleRows('the record of an owner has changed since it was read');
  return owners.map((owner) => ({ ...owner, version: owner.version + 1 }));
}

/** Those that are known. */
export async function readOwners(reader: Reader, owners: Iterable<string>): Promise<Map<string, OwnerReputation>> {
  const rows = await runBulk<OwnerRow>(
    reader,
    READ,
    Array.from(new Set(owners), (owner) => [owner]),
  );
  return new Map(
    rows.map(({ owner, record, version }) => [owner, { owner, reputation: readReputation(record), version }]),
  );
}
