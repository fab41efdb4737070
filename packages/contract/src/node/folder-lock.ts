/**
 * One program a data folder.
 *
 * The lock of an SQLite file is one of the operating system: it ends with the process, however that ends, while a
 * file with a process id outlives a kill and lies after a restart of the machine.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { FogError } from '../errors.ts';
import { makeFolder } from './make-folder.ts';

const SQLITE_BUSY = 5;

export type LockedBy = 'coordinator' | 'agent' | 'mix-network' | 'mix-node' | 'mix-authority' | 'ledger';

/**
 * Makes the folder (0700) and holds `FOLDER/WHO.lock` until it is disposed of.
 * Throws `data-directory` when the folder cannot be used, or another `who` uses it.
 */
export function lockFolder(folder: string, who: LockedBy): Disposable {
  let lock: DatabaseSync | undefined;
  try {
    makeFolder(folder, 0o700);
    lock = new DatabaseSync(join(folder, `${who}.lock`), { timeout: 0 });
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (cause) {
    lock?.close();
    const isBusy = (cause as { errcode?: number }).errcode === SQLITE_BUSY;
    const why = isBusy ? `another ${who} is using it` : (cause as Error).message;
    throw new FogError('data-directory', `cannot use the data folder ${folder}: ${why}`, {
      cause,
      details: { inUse: isBusy },
      hint: isBusy ? 'stop that one, or give another folder with --data' : 'give a writable folder with --data',
    });
  }
  const held = lock;
  return { [Symbol.dispose]: () => held.isOpen && held.close() };
}
