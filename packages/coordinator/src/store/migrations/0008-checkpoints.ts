import type { Kysely } from 'kysely';
import { runStatements } from './run-statements.ts';

/** Checkpoints of tasks, and suspended jobs, tasks and attempts. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
}

const STATEMENTS = [
  'ALTER TABLE jobs ADD COLUMN suspended_at BIGINT',
  'ALTER TABLE jobs ADD COLUMN suspension_due INTEGER NOT NULL DEFAULT 0',
  'CREATE INDEX jobs_suspension_due ON jobs (id) WHERE suspension_due = 1',
  'ALTER TABLE tasks ADD COLUMN suspended_at BIGINT',
  'ALTER TABLE tasks ADD COLUMN checkpoint_manifest TEXT',
  'ALTER TABLE tasks ADD COLUMN checkpoint_bytes BIGINT',
  'ALTER TABLE tasks ADD COLUMN checkpoint_files INTEGER',
  'ALTER TABLE tasks ADD COLUMN checkpoint_fence INTEGER',
  'ALTER TABLE tasks ADD COLUMN checkpoint_at BIGINT',
  // The collector of blobs asks for one digest, and goes through all of them in order.
  'CREATE INDEX tasks_checkpoint ON tasks (checkpoint_manifest) WHERE checkpoint_manifest IS NOT NULL',
  // Suspended tasks with an attempt, and suspended attempts: few, and looked at now and then.
  `CREATE INDEX tasks_suspended ON tasks (job_id, partition)
    WHERE suspended_at IS NOT NULL AND state IN ('scheduled', 'running')`,
  "CREATE INDEX attempts_suspended ON attempts (job_id, partition) WHERE state = 'suspended'",
  'DROP INDEX attempts_live',
  `CREATE INDEX attempts_live ON attempts (node_id)
    WHERE state IN ('leased', 'preparing', 'running', 'suspended', 'uploading', 'committed', 'lost')`,
];
