import { type Kysely, sql } from 'kysely';

/** When a placement class was last named by a submit, so that those that nobody needs can go. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await sql.raw('ALTER TABLE placement_classes ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0').execute(database);
}
