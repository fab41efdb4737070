import { type Kysely, sql } from 'kysely';

/** What the health check of an attempt says. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await sql.raw('ALTER TABLE attempts ADD COLUMN health TEXT').execute(database);
}
