import { type Kysely, SqliteAdapter, sql } from 'kysely';

/** Verification of results, and what is known of the nodes that computed them. Column meanings: ../tables.ts. */
export async function up(database: Kysely<unknown>): Promise<void> {
  const isSqlite = database.getExecutor().adapter instanceof SqliteAdapter;
  for (const statement of STATEMENTS) {
    await sql.raw(statement.replace('ORDERED_BY_KEY', isSqlite ? 'WITHOUT ROWID' : '')).execute(database);
  }
}

const STATEMENTS = [
  'ALTER TABLE tasks ADD COLUMN verification TEXT',
  'ALTER TABLE tasks ADD COLUMN verification_due BIGINT',
  'ALTER TABLE tasks ADD COLUMN reverifying INTEGER NOT NULL DEFAULT 0',
  `CREATE INDEX tasks_verification_due ON tasks (verification_due) WHERE verification_due IS NOT NULL`,
  // The queue of decided tasks that are verified again, beside that of the others.
  `CREATE INDEX tasks_reverifying ON tasks (class_id, rank, job_id, partition) WHERE reverifying = 1`,
  'DROP INDEX attempts_live',
  `CREATE INDEX attempts_live ON attempts (node_id)
    WHERE state IN ('leased', 'preparing', 'running', 'uploading', 'committed', 'lost')`,
  'ALTER TABLE nodes ADD COLUMN trusted INTEGER NOT NULL DEFAULT 0',
  `ALTER TABLE nodes ADD COLUMN prefix TEXT NOT NULL DEFAULT ''`,
  'ALTER TABLE tokens ADD COLUMN trusted INTEGER NOT NULL DEFAULT 0',
  `CREATE TABLE node_trust (
    node_id TEXT NOT NULL, runtime TEXT NOT NULL, record TEXT NOT NULL, version BIGINT NOT NULL,
    PRIMARY KEY (node_id, runtime)) ORDERED_BY_KEY`,
];
