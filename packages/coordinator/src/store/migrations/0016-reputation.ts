import { takenOver, writeReputation } from '@fog/economy/reputation';
import { type Kysely, sql } from 'kysely';
import { runStatements } from './run-statements.ts';

/** How far results of nodes and of their owners can be relied on. Meanings: ../reputation-tables.ts. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
  await takeOver(database);
}

const STATEMENTS = [
  'ALTER TABLE node_trust ADD COLUMN reputation TEXT',
  'CREATE TABLE owner_reputations (owner TEXT PRIMARY KEY, record TEXT NOT NULL, version BIGINT NOT NULL)',
];

/** An owner begins with what verification knows of all its nodes; each node with its own, when it is read. */
async function takeOver(database: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ owner: string; record: string }>`
    SELECT n.owner, t.record FROM node_trust t JOIN nodes n ON n.id = t.node_id`.execute(database);
  for (const [owner, records] of Map.groupBy(rows, (row) => row.owner)) {
    const consecutiveValid = records.reduce((sum, { record }) => sum + validOf(record), 0);
    const reputation = writeReputation(takenOver({ consecutiveValid }, Date.now()));
    await sql`INSERT INTO owner_reputations (owner, record, version) VALUES (${owner}, ${reputation}, 1)`.execute(
      database,
    );
  }
}

function validOf(record: string): number {
  return (JSON.parse(record) as { consecutiveValid: number }).consecutiveValid;
}
