/** The tables of the ledger; those that are journal are never changed. */

/** One row, `id` 1: whoever holds it is the next to write the ledger. */
export interface LedgerClockTable {
  id: number;
  /** Of the newest row, and the number of the newest batch; 0 before the first. */
  sequence: number;
  batch: number;
  /** Nanoseconds, 8 bytes, as all times of the ledger: the last one that was given away. */
  timestamp: Uint8Array;
  /** Pending transfers that were due up to here, in order of time and sequence, have been released or were resolved. */
  expired_until: Uint8Array;
  expired_sequence: number;
}

/** What happened, never changed: ../settlement/records.ts has the layout of `body`. */
export interface LedgerRowsTable {
  /** Place among all rows of the ledger, without gaps, in the order in which they were committed. */
  sequence: number;
  /** 16 bytes: of the account, or the transfer. */
  id: Uint8Array;
  body: Uint8Array;
}

export interface LedgerTransfersTable extends LedgerRowsTable {
  /** Of a post or a void: the id of the transfer that it resolves. */
  pending_id: Uint8Array | null;
  /** Of a pending one with a timeout. */
  expires_at: Uint8Array | null;
}

/** Ids that were spent by a transfer that the state of the ledger did not allow. */
export interface LedgerFailuresTable {
  sequence: number;
  id: Uint8Array;
}

/** Counters of an account after a batch that changed it; the newest row is its balance. */
export interface LedgerBalancesTable {
  /** Sequence of the account's row. */
  account: number;
  /** Of the last row of the batch. */
  sequence: number;
  /** Four counters of 16 bytes, and a byte that is 1 while the account is closed. */
  body: Uint8Array;
  /** Rows of the batch that touched the account: how far before `sequence` each is, 2 bytes, the oldest first. */
  entries: Uint8Array;
}

export interface LedgerBatchesTable {
  number: number;
  first_sequence: number;
  last_sequence: number;
  /** By the clock of the coordinator that wrote it. */
  written_at: number;
}

export interface LedgerSealsTable {
  /** Number of the batch. */
  batch: number;
  /** SHA-256, 32 bytes, over the one before and the batch. */
  hash: Uint8Array;
  /** CRC-32 of the batch's header and of each of its rows, 4 bytes each: which of them changed, when `hash` is wrong. */
  checks: Uint8Array;
  sealed_at: number;
}

/** One row, `id` 1: which coordinator seals, and until when the others leave it to that one. */
export interface LedgerSealerTable {
  id: number;
  coordinator_id: string;
  until: number;
}
