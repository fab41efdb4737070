import { type Kysely, sql } from 'kysely';

/** Why an attempt is where it is, and how long nodes stay: what placement by the scheduler notes. */
export async function up(database: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(database);
}

const STATEMENTS = [
  'ALTER TABLE attempts ADD COLUMN placement TEXT',
  'ALTER TABLE nodes ADD COLUMN losses INTEGER NOT NULL DEFAULT 0',
  'ALTER TABLE nodes ADD COLUMN connected_milliseconds BIGINT NOT NULL DEFAULT 0',
];
