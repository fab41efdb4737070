/** Opens the database of a coordinator to read its ledger, beside the coordinator or without one. Nothing is changed. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FogError } from '@fog/contract';
import { Kysely, PostgresDialect, SqliteDialect } from 'kysely';
import pg from 'pg';
import type { Reader } from '../store/database.ts';
import { postgresTypeParser, withoutPassword } from '../store/open-database.ts';
import { openSqlite } from '../store/sqlite-connection.ts';
import type { Tables } from '../store/tables.ts';

const CONNECT_MILLISECONDS = 10_000;

/**
 * Hands one unchanging state of the ledger to `read`. `place` is a data folder, the file of a database, or a
 * `postgres://` address. Throws `not-found` when there is no database, or none with a ledger, and `unavailable` when it
 * cannot be reached.
 */
export async function withStoredLedger<Result>(
  place: string,
  read: (reader: Reader) => Promise<Result>,
): Promise<Result> {
  const isAddress = /^postgres(ql)?:\/\//.test(place);
  const database = isAddress ? openAddress(place) : await openFile(place);
  const name = isAddress ? withoutPassword(place) : place;
  try {
    const transaction = isAddress
      ? database.transaction().setIsolationLevel('repeatable read').setAccessMode('read only')
      : database.transaction();
    return await transaction.execute(async (reader) => {
      await assertLedger(reader, name);
      return read(reader);
    });
  } catch (error) {
    if (error instanceof FogError) throw error;
    const message = `cannot read the ledger in ${name}: ${(error as Error).message}`;
    throw new FogError('unavailable', message, { cause: error, hint: 'name a data folder or a postgres:// address' });
  } finally {
    await database.destroy();
  }
}

async function openFile(place: string): Promise<Kysely<Tables>> {
  const found = await stat(place).catch(() => null);
  const path = found?.isDirectory() === true ? join(place, 'fog.sqlite') : place;
  if (found === null || (await stat(path).catch(() => null)) === null) {
    throw new FogError('not-found', `there is no database ${path}`, {
      hint: 'name the data folder of a coordinator, its fog.sqlite, or a postgres:// address',
    });
  }
  try {
    return new Kysely<Tables>({ dialect: new SqliteDialect({ database: openSqlite(path, 'read') }) });
  } catch (cause) {
    throw new FogError('unavailable', `cannot open ${path}: ${(cause as Error).message}`, { cause });
  }
}

function openAddress(url: string): Kysely<Tables> {
  const pool = new pg.Pool({
    connectionString: url,
    max: 1,
    connectionTimeoutMillis: CONNECT_MILLISECONDS,
    types: { getTypeParser: postgresTypeParser },
  });
  pool.on('error', () => undefined);
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

async function assertLedger(reader: Reader, name: string): Promise<void> {
  const tables = await reader.introspection.getTables();
  if (tables.some((table) => table.name === 'ledger_clock')) return;
  throw new FogError('not-found', `the database ${name} has no ledger`, {
    hint: 'it is older; a coordinator that is started on it once adds the tables',
  });
}
