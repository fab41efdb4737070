/** What every migration does: its statements, one after the other. */
import { type Kysely, SqliteAdapter, sql } from 'kysely';

/**
 * `ORDERED_BY_KEY` behind a table keeps it in the order of its key where SQLite does that, which spares a second tree;
 * PostgreSQL has no such thing.
 */
export async function runStatements(database: Kysely<unknown>, statements: readonly string[]): Promise<void> {
  const isSqlite = database.getExecutor().adapter instanceof SqliteAdapter;
  for (const statement of statements) {
    await sql.raw(statement.replace('ORDERED_BY_KEY', isSqlite ? 'WITHOUT ROWID' : '')).execute(database);
  }
}
