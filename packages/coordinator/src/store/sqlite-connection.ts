/** node:sqlite in the shape that Kysely's SQLite dialect expects, with prepared statements kept. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { SqliteDatabase, SqliteStatement } from 'kysely';

/** Texts of statements repeat; bulk statements come in sizes of powers of two, so few texts exist. */
const KEPT_STATEMENTS = 256;
/** What is read again and again: the head of the queue, running jobs. The rest is in the cache of the system. */
const CACHE_KIBIBYTES = { write: 16_384, read: 4096 };

/** Durable on commit: WAL with synchronous=FULL syncs the log before the commit returns. */
export function openSqlite(path: string, mode: 'write' | 'read'): SqliteDatabase & { close(): void } {
  const database = new DatabaseSync(path, { readOnly: mode === 'read' });
  database.exec(
    `PRAGMA busy_timeout = 5000; PRAGMA cache_size = -${CACHE_KIBIBYTES[mode]}; PRAGMA temp_store = MEMORY`,
  );
  if (mode === 'write') {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 16000');
  }
  const kept = new Map<string, SqliteStatement>();
  return {
    prepare(text: string): SqliteStatement {
      const existing = kept.get(text);
      if (existing !== undefined) return existing;
      const oldest = kept.keys().next();
      if (kept.size >= KEPT_STATEMENTS && !oldest.done) kept.delete(oldest.value);
      const statement = text === 'rollback' ? rollback(database) : adapt(database.prepare(text));
      kept.set(text, statement);
      return statement;
    },
    close: () => database.close(),
  };
}

function adapt(statement: StatementSync): SqliteStatement {
  const bind = (parameters: readonly unknown[]) => parameters as SQLInputValue[];
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...bind(parameters)),
    run: (parameters) => {
      const { changes, lastInsertRowid } = statement.run(...bind(parameters));
      return { changes: BigInt(changes), lastInsertRowid: BigInt(lastInsertRowid) };
    },
    iterate: (parameters) => statement.iterate(...bind(parameters)) as IterableIterator<unknown>,
  };
}

/** SQLite rolls back by itself when the disk is full; the error of a second rollback would hide that one. */
function rollback(database: DatabaseSync): SqliteStatement {
  const statement = adapt(database.prepare('rollback'));
  return {
    ...statement,
    run: (parameters) => (database.isTransaction ? statement.run(parameters) : { changes: 0n, lastInsertRowid: 0n }),
  };
}
