import { type Kysely, sql } from 'kysely';

/** Among how many nodes the place of an attempt was chosen. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await sql.raw('ALTER TABLE attempts ADD COLUMN suitable INTEGER').execute(database);
}
