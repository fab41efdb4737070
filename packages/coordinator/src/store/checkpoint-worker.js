/**
 * The thread of checkpoint-thread.ts. Plain JavaScript: stripping types in a thread costs 20 MB.
 */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

const PAUSE_MILLISECONDS = 500;
/** Under steady load the log never stands still. */
const MOST_ROUNDS = 5;

/** @param {DatabaseSync} database */
function catchUp(database) {
  let before = -1;
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    try {
      const { log } = database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get();
      if (log === before) return;
      before = log;
    } catch {
      // Busy: the next time does it.
      return;
    }
  }
}

const stopping = new AbortController();
parentPort.once('message', () => stopping.abort());
const database = new DatabaseSync(workerData.path);
while (!stopping.signal.aborted) {
  await pause(PAUSE_MILLISECONDS, undefined, { signal: stopping.signal }).catch(() => undefined);
  catchUp(database);
}
database.close();
