/** Opens the database of a coordinator and brings it to the newest schema. */
import { join } from 'node:path';
import { FogError } from '@fog/contract';
import { Kysely, PostgresDialect, SqliteDialect } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import pg from 'pg';
import { startCheckpoints } from './checkpoint-thread.ts';
import type { Database } from './database.ts';
import { GroupCommit } from './group-commit.ts';
import * as initial from './migrations/0001-initial.ts';
import * as classUse from './migrations/0002-class-use.ts';
import * as samples from './migrations/0003-samples.ts';
import * as leaseChoice from './migrations/0004-lease-choice.ts';
import * as health from './migrations/0005-health.ts';
import * as deployments from './migrations/0006-deployments.ts';
import * as verification from './migrations/0007-verification.ts';
import * as checkpoints from './migrations/0008-checkpoints.ts';
import * as placement from './migrations/0009-placement.ts';
import * as queueing from './migrations/0010-queueing.ts';
import * as dependencies from './migrations/0011-dependencies.ts';
import * as ledger from './migrations/0012-ledger.ts';
import * as settlement from './migrations/0013-settlement.ts';
import * as stake from './migrations/0014-stake.ts';
import * as governance from './migrations/0015-governance.ts';
import * as reputation from './migrations/0016-reputation.ts';
import * as periods from './migrations/0017-periods.ts';
import * as oversight from './migrations/0018-oversight.ts';
import * as bonds from './migrations/0019-bonds.ts';
import * as emission from './migrations/0020-emission.ts';
import { PreparingClient } from './postgres-client.ts';
import { openSqlite } from './sqlite-connection.ts';
import type { Tables } from './tables.ts';

export interface DatabaseOptions {
  /** Folder of `fog.sqlite`; used when there is no url. */
  dataDirectory?: string;
  /** `postgres://…` */
  url?: string | undefined;
}

const MIGRATIONS: Record<string, Migration> = {
  '0001-initial': initial,
  '0002-class-use': classUse,
  '0003-samples': samples,
  '0004-lease-choice': leaseChoice,
  '0005-health': health,
  '0006-deployments': deployments,
  '0007-verification': verification,
  '0008-checkpoints': checkpoints,
  '0009-placement': placement,
  '0010-queueing': queueing,
  '0011-dependencies': dependencies,
  '0012-ledger': ledger,
  '0013-settlement': settlement,
  '0014-stake': stake,
  '0015-governance': governance,
  '0016-reputation': reputation,
  '0017-periods': periods,
  '0018-oversight': oversight,
  '0019-bonds': bonds,
  '0020-emission': emission,
};
/** One connection writes, the others answer reads and streams. */
const POSTGRES_CONNECTIONS = 8;
const CONNECT_MILLISECONDS = 10_000;

/** Throws `data-directory` or `unavailable` when the database cannot be opened. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  return options.url === undefined ? openEmbedded(options.dataDirectory ?? '.') : openPostgres(options.url);
}

async function openEmbedded(directory: string): Promise<Database> {
  const path = join(directory, 'fog.sqlite');
  let write: Kysely<Tables>;
  try {
    write = new Kysely<Tables>({ dialect: new SqliteDialect({ database: openSqlite(path, 'write') }) });
    await migrate(write);
  } catch (cause) {
    throw new FogError('data-directory', `cannot open the database ${path}: ${(cause as Error).message}`, { cause });
  }
  const read = new Kysely<Tables>({ dialect: new SqliteDialect({ database: openSqlite(path, 'read') }) });
  const checkpoints = startCheckpoints(path);
  return assemble('sqlite', write, read, () => checkpoints.stop());
}

async function openPostgres(url: string): Promise<Database> {
  const pool = new pg.Pool({
    connectionString: url,
    max: POSTGRES_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MILLISECONDS,
    types: { getTypeParser: postgresTypeParser },
    Client: PreparingClient,
  });
  // An idle connection that breaks is replaced; the next statement reports what is wrong.
  pool.on('error', () => undefined);
  const database = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  try {
    await migrate(database);
  } catch (cause) {
    await pool.end();
    const message = `cannot use the database at ${withoutPassword(url)}: ${(cause as Error).message}`;
    throw new FogError('unavailable', message, { cause, hint: 'check FOG_DATABASE_URL' });
  }
  return assemble('postgres', database, database);
}

function assemble(
  engine: Database['engine'],
  write: Kysely<Tables>,
  read: Kysely<Tables>,
  stop: () => Promise<void> = async () => undefined,
): Database {
  const commits = new GroupCommit(write, { isShared: engine === 'postgres' });
  return {
    engine,
    read,
    write: (work, kind) => commits.write(work, kind),
    async close() {
      await commits.close();
      await stop();
      await write.destroy();
      if (read !== write) await read.destroy();
    },
  };
}

async function migrate(database: Kysely<Tables>): Promise<void> {
  const migrator = new Migrator({ db: database, provider: { getMigrations: async () => MIGRATIONS } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}

/** BIGINT and COUNT arrive as numbers: all of ours fit into 53 bits. */
export function postgresTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
  const int8 = 20;
  const numeric = 1700;
  if (oid === int8 || oid === numeric) return Number;
  return pg.types.getTypeParser(oid, format as 'text');
}

/** An address as it may be shown. */
export function withoutPassword(url: string): string {
  return url.replace(/\/\/([^:@/]*):[^@/]*@/, '//$1:…@');
}
