import type { Kysely } from 'kysely';
import { runStatements } from './run-statements.ts';

/** Why an attempt is where it is, and how long nodes stay: what placement by the scheduler notes. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
}

const STATEMENTS = [
  'ALTER TABLE attempts ADD COLUMN placement TEXT',
  'ALTER TABLE nodes ADD COLUMN losses INTEGER NOT NULL DEFAULT 0',
  'ALTER TABLE nodes ADD COLUMN connected_milliseconds BIGINT NOT NULL DEFAULT 0',
];
