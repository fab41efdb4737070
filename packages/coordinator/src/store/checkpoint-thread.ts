/**
 * Moves what is in SQLite's write-ahead log into the database file, in a thread of its own.
 *
 * A checkpoint copies pages and syncs twice; done by the writer, as SQLite does it by default, some commits take tens
 * of milliseconds. A passive checkpoint holds nobody up. The writer's own checkpoint stays as a backstop for a log
 * that grows faster than this one empties it.
 */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const PAUSE_MILLISECONDS = 500;

export interface CheckpointThread {
  stop(): Promise<void>;
}

export function startCheckpoints(path: string): CheckpointThread {
  const worker = new Worker(new URL(import.meta.url), { workerData: { path } });
  worker.unref();
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  // Without it the writer checkpoints for itself.
  worker.on('error', () => undefined);
  return {
    async stop() {
      worker.ref();
      worker.postMessage('stop');
      await ended;
    },
  };
}

async function run(path: string): Promise<void> {
  const stopping = new AbortController();
  parentPort?.once('message', () => stopping.abort());
  const database = new DatabaseSync(path);
  while (!stopping.signal.aborted) {
    await pause(PAUSE_MILLISECONDS, undefined, { signal: stopping.signal }).catch(() => undefined);
    try {
      database.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch {
      // Busy: the next round does it.
    }
  }
  database.close();
}

if (!isMainThread && parentPort !== null) await run((workerData as { path: string }).path);
