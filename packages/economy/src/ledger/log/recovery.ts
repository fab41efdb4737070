/**
 * From what is on the disk to the state: the newest snapshot that is whole, then the records after it. A damaged
 * snapshot is passed over only when an older one and the log, or the log alone, give the same state.
 */
import { FogError } from '@fog/contract';
import type { LoggedMachine } from '../machine.ts';
import { damageError } from './faults.ts';
import { LOG_LIMITS } from './limits.ts';
import { LOG_BEGINNING, type LogEnd, type LogPosition, readLog, type TornTail } from './log-reader.ts';
import { logFileName, SPARE_NAME, sequencesOf, UNFINISHED_SUFFIX } from './segment.ts';
import { openSnapshot } from './snapshot-file.ts';
import type { LogStorage } from './storage.ts';

export interface RecoverOptions {
  /** false: the log alone, from its first record. */
  useSnapshots?: boolean;
  /** The last record to apply. */
  until?: bigint;
}

export interface RecoveryReport {
  /** The last record of the state. */
  sequence: bigint;
  /** After which record the snapshot was made; null when there was none to begin with. */
  snapshot: bigint | null;
  snapshotBytes: number;
  /** Applied after it. */
  records: number;
  /** What a crash has left of a write that was never acknowledged. */
  torn: TornTail | null;
  /** Why newer snapshots were passed over. */
  damagedSnapshots: FogError[];
}

export interface Recovered<Machine> {
  machine: Machine;
  position: LogPosition;
  report: RecoveryReport;
  /** A last segment without a record, to be removed. */
  unborn: string | null;
}

/**
 * Changes nothing on the disk. Throws `data-directory` with file, offset and sequence in its details for what is damaged
 * and cannot be replaced.
 */
export function recover<Machine extends LoggedMachine>(
  storage: LogStorage,
  createMachine: () => Machine,
  { useSnapshots = true, until }: RecoverOptions = {},
): Recovered<Machine> {
  const all = sequencesOf(storage.list(), 'snapshot');
  const within = all.filter((sequence) => until === undefined || sequence <= until);
  // It was named only after the log up to there had become durable.
  const durable = within.at(-1) ?? 0n;
  const damagedSnapshots: FogError[] = [];
  for (const sequence of useSnapshots ? within.toReversed().slice(0, LOG_LIMITS.snapshots) : []) {
    const restored = restore(storage, createMachine, sequence);
    if (restored instanceof FogError) damagedSnapshots.push(restored);
    else return replay(storage, { ...restored, damagedSnapshots, durable, until });
  }
  const [first] = sequencesOf(storage.list(), 'log');
  const reason = damagedSnapshots[0];
  if (reason !== undefined && first !== 1n) throw reason;
  const start = { machine: createMachine(), position: LOG_BEGINNING, snapshotBytes: 0 };
  return replay(storage, { ...start, damagedSnapshots, durable, until });
}

interface Start<Machine> {
  machine: Machine;
  position: LogPosition;
  snapshotBytes: number;
}

function restore<Machine extends LoggedMachine>(
  storage: LogStorage,
  createMachine: () => Machine,
  sequence: bigint,
): Start<Machine> | FogError {
  try {
    using snapshot = openSnapshot(storage, sequence);
    const machine = createMachine();
    const parts = snapshot.parts[Symbol.iterator]();
    machine.restore({ [Symbol.iterator]: () => parts });
    // The end is checked, too, by whoever reads on.
    if (parts.next().done !== true) {
      const place = { file: logFileName(sequence, 'snapshot'), offset: snapshot.bytes, sequence };
      return damageError('snapshot-refused', place, 'the machine did not take all of it');
    }
    return { machine, position: snapshot.position, snapshotBytes: snapshot.bytes };
  } catch (error) {
    if (error instanceof FogError && error.details.damage !== undefined) return error;
    const place = { file: logFileName(sequence, 'snapshot'), offset: 0, sequence };
    return damageError('snapshot-refused', place, `it cannot be restored: ${(error as Error).message}`, error);
  }
}

interface Replay<Machine> extends Start<Machine> {
  damagedSnapshots: FogError[];
  durable: bigint;
  until: bigint | undefined;
}

function replay<Machine extends LoggedMachine>(
  storage: LogStorage,
  { machine, position: after, snapshotBytes, damagedSnapshots, durable, until }: Replay<Machine>,
): Recovered<Machine> {
  const end: LogEnd = readLog(storage, { after, durable, ...(until === undefined ? {} : { until }) }, (record) => {
    machine.apply(record.body, record.timestamp);
  });
  return {
    machine,
    position: { sequence: end.sequence, hash: end.hash, timestamp: end.timestamp },
    unborn: end.unborn,
    report: {
      sequence: end.sequence,
      snapshot: after.sequence === 0n ? null : after.sequence,
      snapshotBytes,
      records: end.records,
      torn: end.torn,
      damagedSnapshots,
    },
  };
}

/** Clears away what crashes have left: after this, everything in the folder is whole. Throws what the storage throws. */
export async function mend(
  storage: LogStorage,
  { report: { torn }, unborn }: Pick<Recovered<unknown>, 'report' | 'unborn'>,
): Promise<void> {
  if (torn !== null && torn.file !== unborn) {
    const file = await storage.openToWrite(torn.file);
    try {
      await file.truncate(torn.offset);
      await file.sync();
    } finally {
      await file.close();
    }
  }
  const left = storage.list().filter((name) => name === SPARE_NAME || name.endsWith(`.snapshot${UNFINISHED_SUFFIX}`));
  for (const name of unborn === null ? left : [...left, unborn]) await storage.remove(name);
  await storage.syncFolder();
}
