import type { Kysely } from 'kysely';
import { runStatements } from './run-statements.ts';

/** What services and daemons are paid for. Column meanings: ../period-tables.ts and ../tables.ts. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
}

const STATEMENTS = [
  'ALTER TABLE deployments ADD COLUMN covered INTEGER',
  'ALTER TABLE deployments ADD COLUMN uncovered TEXT',
  `CREATE TABLE paid_services (
    job_id TEXT PRIMARY KEY, principal TEXT NOT NULL, name TEXT NOT NULL, began_at BIGINT NOT NULL,
    looked_at BIGINT NOT NULL)`,
  'CREATE INDEX paid_services_by_name ON paid_services (principal, name)',
  `CREATE TABLE paid_leases (
    job_id TEXT NOT NULL, partition INTEGER NOT NULL, fence INTEGER NOT NULL, payee TEXT NOT NULL, price BIGINT NOT NULL,
    restarts INTEGER NOT NULL, healthy_since BIGINT, healthy_milliseconds BIGINT NOT NULL,
    PRIMARY KEY (job_id, partition, fence)) ORDERED_BY_KEY`,
];
