/** A folder with an embedded database, gone at the end of the test. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../src/store/database.ts';
import { openDatabase } from '../../src/store/open-database.ts';

export interface StoreFolder extends AsyncDisposable {
  directory: string;
  database: Database;
}

export async function storeFolder(): Promise<StoreFolder> {
  const directory = await mkdtemp(join(tmpdir(), 'fog-access-'));
  const database = await openDatabase({ dataDirectory: directory });
  return {
    directory,
    database,
    async [Symbol.asyncDispose]() {
      await database.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
