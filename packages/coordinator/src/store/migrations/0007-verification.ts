import type { Kysely } from 'kysely';
import { runStatements } from './run-statements.ts';

/** Verification of results, and what is known of the nodes that computed them. Column meanings: ../tables.ts. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
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
  `ALTER TABLE jobs ADD COLUMN purpose TEXT NOT NULL DEFAULT 'user'`,
  'ALTER TABLE jobs ADD COLUMN lease_terms TEXT',
  `CREATE INDEX jobs_hidden ON jobs (ended_at) WHERE purpose <> 'user'`,
  `CREATE TABLE known_answers (
    job_id TEXT NOT NULL, partition INTEGER NOT NULL, runtime TEXT NOT NULL, requirements TEXT NOT NULL,
    answer TEXT NOT NULL, uses INTEGER NOT NULL, made_at BIGINT NOT NULL, PRIMARY KEY (job_id, partition)) ORDERED_BY_KEY`,
  `CREATE INDEX known_answers_fresh ON known_answers (runtime, made_at)`,
  `CREATE TABLE spot_checks (job_id TEXT PRIMARY KEY, check_record TEXT NOT NULL) ORDERED_BY_KEY`,
  `CREATE TABLE comparisons (
    run_id TEXT PRIMARY KEY, job_id TEXT NOT NULL, partition INTEGER NOT NULL, left_digest TEXT NOT NULL,
    right_digest TEXT NOT NULL, UNIQUE (job_id, partition, left_digest, right_digest)) ORDERED_BY_KEY`,
  `CREATE TABLE node_trust (
    node_id TEXT NOT NULL, runtime TEXT NOT NULL, record TEXT NOT NULL, version BIGINT NOT NULL,
    PRIMARY KEY (node_id, runtime)) ORDERED_BY_KEY`,
];
