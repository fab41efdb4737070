/** One coordinator a data folder. The lock is the operating system's, so a killed process leaves none behind. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { FogError } from '@fog/contract';

export interface DataLock {
  release(): void;
}

/** Makes the folder (0700) and takes its lock. Throws `data-directory` when that fails or another holds it. */
export function lockDataDirectory(directory: string): DataLock {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const lock = new DatabaseSync(join(directory, 'coordinator.lock'));
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return { release: () => lock.close() };
  } catch (cause) {
    const isBusy = (cause as { errcode?: number }).errcode === SQLITE_BUSY;
    const why = isBusy ? 'another coordinator is using it' : (cause as Error).message;
    throw new FogError('data-directory', `cannot use the data folder ${directory}: ${why}`, {
      cause,
      hint: isBusy ? 'stop that one, or give another folder with --data' : 'give a writable folder with --data',
    });
  }
}

const SQLITE_BUSY = 5;
