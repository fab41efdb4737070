import type { Kysely } from 'kysely';
import { runStatements } from './run-statements.ts';

/** Which job pays for a hidden one, and results that are run again to prove them wrong. Meanings: ../tables.ts, ../stake-tables.ts. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
}

const STATEMENTS = [
  'ALTER TABLE jobs ADD COLUMN oversight_by TEXT',
  'ALTER TABLE stake_faults ADD COLUMN evidence TEXT',
  `CREATE TABLE arbitrations (
    id TEXT PRIMARY KEY, job_id TEXT NOT NULL, partition INTEGER NOT NULL, paid_by TEXT NOT NULL, state TEXT NOT NULL,
    opened_at BIGINT NOT NULL, ended_at BIGINT, record TEXT NOT NULL)`,
  'CREATE INDEX arbitrations_under_way ON arbitrations (opened_at, id) WHERE ended_at IS NULL',
  'CREATE INDEX arbitrations_over ON arbitrations (ended_at) WHERE ended_at IS NOT NULL',
  'CREATE INDEX arbitrations_by_payer ON arbitrations (paid_by)',
];
