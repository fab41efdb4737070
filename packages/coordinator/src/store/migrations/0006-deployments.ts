import type { Kysely } from 'kysely';
import { runStatements } from './run-statements.ts';

/** Services and daemons under a name, their revisions, and what the controller remembers of their replicas. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
}

const STATEMENTS = [
  'ALTER TABLE jobs ADD COLUMN deployment TEXT',
  `CREATE TABLE deployments (
    principal TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, state TEXT NOT NULL, reason TEXT,
    revision INTEGER NOT NULL, named_count INTEGER NOT NULL, wanted INTEGER NOT NULL, ready INTEGER NOT NULL,
    available INTEGER NOT NULL, updated INTEGER NOT NULL, most_available INTEGER NOT NULL, progress_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (principal, name)) ORDERED_BY_KEY`,
  `CREATE TABLE deployment_revisions (
    principal TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, job_id TEXT NOT NULL, state TEXT NOT NULL,
    reason TEXT, created_by TEXT NOT NULL, of_revision INTEGER, stable_at BIGINT, created_at BIGINT NOT NULL,
    ended_at BIGINT, PRIMARY KEY (principal, name, revision)) ORDERED_BY_KEY`,
  'CREATE INDEX deployment_revisions_by_job ON deployment_revisions (job_id)',
  `CREATE TABLE deployment_replicas (
    job_id TEXT NOT NULL, partition INTEGER NOT NULL, node_id TEXT, run TEXT NOT NULL, condition TEXT NOT NULL,
    since BIGINT NOT NULL, leaving INTEGER NOT NULL, PRIMARY KEY (job_id, partition)) ORDERED_BY_KEY`,
];
