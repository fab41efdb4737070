import { type Kysely, SqliteAdapter, sql } from 'kysely';

/** Jobs that wait for other jobs. */
export async function up(database: Kysely<unknown>): Promise<void> {
  const isSqlite = database.getExecutor().adapter instanceof SqliteAdapter;
  for (const statement of STATEMENTS) {
    await sql.raw(statement.replace('ORDERED_BY_KEY', isSqlite ? 'WITHOUT ROWID' : '')).execute(database);
  }
}

const STATEMENTS = [
  'ALTER TABLE jobs ADD COLUMN waits INTEGER NOT NULL DEFAULT 0',
  'ALTER TABLE jobs ADD COLUMN ready_at BIGINT',
  'CREATE INDEX jobs_waiting ON jobs (id) WHERE waits = 1',
  `CREATE TABLE job_dependencies (
    job_id TEXT NOT NULL, needs_id TEXT NOT NULL, PRIMARY KEY (job_id, needs_id)) ORDERED_BY_KEY`,
  'CREATE INDEX job_dependencies_by_needed ON job_dependencies (needs_id)',
];
