import type { Kysely } from 'kysely';
import { runStatements } from './run-statements.ts';

/** Jobs that wait for other jobs. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
}

const STATEMENTS = [
  'ALTER TABLE jobs ADD COLUMN waits INTEGER NOT NULL DEFAULT 0',
  'ALTER TABLE jobs ADD COLUMN ready_at BIGINT',
  'CREATE INDEX jobs_waiting ON jobs (id) WHERE waits = 1',
  `CREATE TABLE job_dependencies (
    job_id TEXT NOT NULL, needs_id TEXT NOT NULL, PRIMARY KEY (job_id, needs_id)) ORDERED_BY_KEY`,
  'CREATE INDEX job_dependencies_by_needed ON job_dependencies (needs_id)',
];
