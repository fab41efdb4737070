/** What every migration does: its statements, one after the other. */
import { type Kysely, SqliteAdapter, sql } from 'kysely';

/**
 * `ORDERED_BY_KEY` behind a table keeps it in the order of its key where SQLite does that, which spares a second tree;
 * PostgreSQL has no such thing. `BYTES` is the type of a column of bytes, `ROW_NUMBER` that of a key which SQLite takes
 * for the number of the row itself, without an index for it.
 */
export async function runStatements(database: Kysely<unknown>, statements: readonly string[]): Promise<void> {
  const isSqlite = database.getExecutor().adapter instanceof SqliteAdapter;
  for (const statement of statements) {
    const text = statement
      .replace('ORDERED_BY_KEY', isSqlite ? 'WITHOUT ROWID' : '')
      .replaceAll(' BYTES', isSqlite ? ' BLOB' : ' BYTEA')
      .replace(' ROW_NUMBER', isSqlite ? ' INTEGER' : ' BIGINT');
    await sql.raw(text).execute(database);
  }
}
