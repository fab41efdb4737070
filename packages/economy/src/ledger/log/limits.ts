/** Every limit of the ledger's log, with its reason. */

export const LOG_LIMITS = {
  /** A write begins at a multiple of this: no write touches a sector of a disk, or a page, that holds what is acknowledged. */
  blockBytes: 4096,
  /** One segment, reserved in one piece. It is read in one piece, too. */
  segmentBytes: 64 << 20,
  /** One request: a batch of 8,190 transfers has half of it. */
  requestBytes: 2 << 20,
  /** What one sync makes durable at most: some milliseconds of writing. */
  groupBytes: 4 << 20,
  /** Requests that wait for their sync; who sends more is told to wait. */
  waitingRequests: 65_536,
  /** Their bytes. */
  waitingBytes: 64 << 20,
  /** Segments of one folder: 4 TiB. More would be read for hours, and are no log that this program has left. */
  segments: 65_536,
  /** Snapshots that are looked at, the newest first. */
  snapshots: 16,
  /** One checksummed part of a snapshot; what a recovery holds of it at a time. */
  snapshotPartBytes: 1 << 20,
  /** A snapshot is synced each time that so much of it is written: a sync of the log never waits for more. */
  snapshotSyncBytes: 8 << 20,
  /** One snapshot. Ten million transfers have a fiftieth of it. */
  snapshotBytes: 2 ** 36,
  /** Pieces in which a segment is reserved, each with its sync, for the same reason. */
  reserveBytes: 1 << 20,
  /** Pause after each piece, as long as half of the present segment is free: commits meet an idle disk most of the time. */
  reservePauseMilliseconds: 10,
  /** Pause before a segment is reserved again after the disk was full. */
  fullDiskMilliseconds: 1000,
} as const;
