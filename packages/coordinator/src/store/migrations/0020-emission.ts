import type { Kysely } from 'kysely';
import { runStatements } from './run-statements.ts';

/**
 * What burned for whom, and what each epoch made of it. Column meanings: ../dao-tables.ts. A parameter that nothing asks
 * for is none any more: a value that was voted for goes, its entry in the record stays.
 */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
}

const STATEMENTS = [
  `CREATE TABLE emission_shares (
    job_id TEXT NOT NULL, provider TEXT NOT NULL, retained TEXT NOT NULL, PRIMARY KEY (job_id, provider)) ORDERED_BY_KEY`,
  `CREATE TABLE emission_claims (
    epoch BIGINT NOT NULL, job_id TEXT NOT NULL, provider TEXT NOT NULL, burned TEXT NOT NULL,
    PRIMARY KEY (epoch, job_id, provider)) ORDERED_BY_KEY`,
  `CREATE TABLE emission_epochs (
    epoch BIGINT PRIMARY KEY, claims BIGINT NOT NULL, burned TEXT NOT NULL, wanted TEXT NOT NULL,
    share_ppm BIGINT NOT NULL, most TEXT NOT NULL, made TEXT NOT NULL, settled_at BIGINT)`,
  "DELETE FROM dao_parameters WHERE name = 'downtimeSlashPpm'",
];
