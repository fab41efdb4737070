/**
 * Moves what is in SQLite's write-ahead log into the database file, in a thread of its own.
 *
 * A checkpoint copies pages and syncs twice; done by the writer, as SQLite does it by default, some commits take tens
 * of milliseconds. A passive checkpoint holds nobody up, but leaves behind what is written meanwhile, and only an empty
 * log is begun anew: so it is repeated, each time for less, until there is nothing new. The writer's own checkpoint
 * stays as a backstop for a log that grows faster than this one empties it.
 */
import { Worker } from 'node:worker_threads';

export interface CheckpointThread {
  stop(): Promise<void>;
}

export function startCheckpoints(path: string): CheckpointThread {
  const worker = new Worker(new URL('./checkpoint-worker.js', import.meta.url), { workerData: { path } });
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
