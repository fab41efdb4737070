/** The ledger's log: records on a disk under a state machine, snapshots, recovery. */

export type { LoggedMachine } from '../machine.ts';
export { DAMAGES, type Damage, type DamagePlace } from './faults.ts';
export { folderStorage, openFolder } from './file-storage.ts';
export { LOG_LIMITS } from './limits.ts';
export {
  LOG_BEGINNING,
  type LogEnd,
  type LogPosition,
  type ReadLogOptions,
  readLog,
  type TornTail,
} from './log-reader.ts';
export { type AppliedRequest, MachineLog, type MachineLogOptions, type SnapshotReport } from './machine-log.ts';
export { type Recovered, type RecoverOptions, type RecoveryReport, recover } from './recovery.ts';
export { logFileName, sequencesOf } from './segment.ts';
export { DEFAULT_RETENTION, type Retention, snapshotPieces, writeSnapshot } from './snapshot-file.ts';
export { type SnapshotThreadOptions, snapshotThread } from './snapshot-thread.ts';
export type { LogStorage, ReadableFile, WritableFile } from './storage.ts';
