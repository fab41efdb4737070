/** The ledger over its log in a folder, with its accounts opened, for the benchmarks. */
import { MachineLog, openFolder, type Retention, snapshotThread } from '@fog/economy/ledger/log';
import { assertCreated, createLedgerMachine, LoggedBatches } from './logged-batches.ts';

export interface LedgerOpening {
  retention: Retention;
  /** For so many there is room from the beginning. */
  transfers?: number;
}

export async function openLedger(path: string, { retention, transfers }: LedgerOpening) {
  const storage = openFolder(path);
  const log = await MachineLog.open({
    storage,
    retention,
    createMachine: () => createLedgerMachine(transfers),
    now: () => BigInt(Date.now()) * 1_000_000n,
    makeSnapshot: snapshotThread({
      folder: path,
      machineModule: new URL('./logged-batches.ts', import.meta.url).href,
      createMachine: 'createLedgerMachine',
    }),
  });
  const batches = new LoggedBatches();
  for (const request of batches.openings()) assertCreated(await log.submit(request));
  const end = async () => {
    await log.close();
    storage[Symbol.dispose]();
  };
  return { log, batches, end };
}
