/** The thread of snapshot-thread.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import type { LoggedMachine } from '../machine.ts';
import { folderStorage } from './file-storage.ts';
import { recover } from './recovery.ts';
import { snapshotPieces, writeSnapshot } from './snapshot-file.ts';
import type { SnapshotOutcome, SnapshotTask } from './snapshot-thread.ts';

const { folder, machineModule, createMachine, sequence } = workerData as SnapshotTask;

async function work(): Promise<SnapshotOutcome> {
  try {
    const module = (await import(machineModule)) as Record<string, () => LoggedMachine>;
    const create = module[createMachine];
    if (create === undefined) return { message: `${machineModule} has no function ${createMachine}` };
    // The process that owns the folder holds its lock, and has told that all up to there is durable.
    const storage = folderStorage(folder);
    const { machine, position } = recover(storage, create, { until: sequence });
    return { bytes: await writeSnapshot(storage, sequence, snapshotPieces(position, machine.snapshot())) };
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    return { message, ...(code === undefined ? {} : { code }) };
  }
}

parentPort?.postMessage(await work());
