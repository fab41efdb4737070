import type { Kysely } from 'kysely';
import { runStatements } from './run-statements.ts';

/** What principals may have at a time, and how long their tasks waited. Column meanings: ../tables.ts. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
}

const STATEMENTS = [
  `CREATE TABLE quotas (
    principal TEXT PRIMARY KEY, milli_cpu BIGINT, memory_bytes BIGINT, running BIGINT, queued BIGINT,
    set_by TEXT NOT NULL, set_at BIGINT NOT NULL)`,
  `CREATE TABLE quota_uses (
    principal TEXT NOT NULL, coordinator_id TEXT NOT NULL, milli_cpu BIGINT NOT NULL, memory_bytes BIGINT NOT NULL,
    running BIGINT NOT NULL, PRIMARY KEY (principal, coordinator_id))`,
  // What a principal has queued is added up over its unfinished jobs.
  'CREATE INDEX jobs_unended_of_submitter ON jobs (submitter) WHERE ended_at IS NULL',
  `CREATE TABLE service_waits (
    period BIGINT NOT NULL, principal TEXT NOT NULL, tier TEXT NOT NULL, bound BIGINT NOT NULL, count BIGINT NOT NULL,
    PRIMARY KEY (period, principal, tier, bound))`,
  `CREATE TABLE service_settlements (
    period BIGINT NOT NULL, principal TEXT NOT NULL, tier TEXT NOT NULL, count BIGINT NOT NULL, missed BIGINT NOT NULL,
    p95_milliseconds BIGINT NOT NULL, credit_permille INTEGER NOT NULL, settled_at BIGINT NOT NULL,
    PRIMARY KEY (period, principal, tier))`,
];
