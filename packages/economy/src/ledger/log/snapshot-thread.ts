/**
 * Snapshots made by a thread that plays the log again up to a record, beside the machine that goes on: it costs a second
 * state in memory and the time of a recovery, and stops nobody.
 */
import { Worker } from 'node:worker_threads';
import { FogError } from '@fog/contract';

export interface SnapshotThreadOptions {
  folder: string;
  /** URL of the module with the machine, and the name of its function there that makes an empty one. */
  machineModule: string;
  createMachine: string;
}

export type SnapshotTask = SnapshotThreadOptions & { sequence: bigint };
/** What the thread says at its end. */
export type SnapshotOutcome = { bytes: number } | { message: string; code?: string };

/** For `MachineLogOptions.makeSnapshot`. Rejects with `unavailable` or `storage-full` when the thread cannot do it. */
export function snapshotThread(options: SnapshotThreadOptions): (sequence: bigint) => Promise<number> {
  return (sequence) =>
    new Promise((resolve, reject) => {
      const task: SnapshotTask = { ...options, sequence };
      const worker = new Worker(new URL('./snapshot-worker.ts', import.meta.url), { workerData: task });
      const fail = (message: string, isFull = false) =>
        reject(
          new FogError(isFull ? 'storage-full' : 'unavailable', `no snapshot of record ${sequence}: ${message}`, {
            hint: 'the log goes on without it',
          }),
        );
      worker.once('message', (outcome: SnapshotOutcome) => {
        if ('bytes' in outcome) resolve(outcome.bytes);
        else fail(outcome.message, outcome.code === 'ENOSPC');
      });
      worker.once('error', (error: Error) => fail(error.message));
      worker.once('exit', (code) => fail(`its thread ended with ${code}`));
    });
}
