import type { Kysely } from 'kysely';
import { runStatements } from './run-statements.ts';

/** What attempts cost, whom they pay, and what slices of the fog cost. Column meanings: ../tables.ts. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
}

const STATEMENTS = [
  'ALTER TABLE attempts ADD COLUMN price BIGINT',
  'ALTER TABLE attempts ADD COLUMN payee TEXT',
  'ALTER TABLE jobs ADD COLUMN payment_terms TEXT',
  'ALTER TABLE jobs ADD COLUMN escrow TEXT',
  'ALTER TABLE jobs ADD COLUMN escrow_open INTEGER NOT NULL DEFAULT 0',
  'ALTER TABLE tasks ADD COLUMN settlement TEXT',
  'CREATE INDEX jobs_with_open_escrow ON jobs (ended_at) WHERE escrow_open = 1',
  'CREATE TABLE wallet_names (account BYTES PRIMARY KEY, principal TEXT NOT NULL)',
  `CREATE TABLE market_prices (
    region TEXT PRIMARY KEY, micro_fog BIGINT NOT NULL, used_slices BIGINT NOT NULL, offered_slices BIGINT NOT NULL,
    stepped_at BIGINT NOT NULL)`,
];
