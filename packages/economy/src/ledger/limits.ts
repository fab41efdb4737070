/** Every limit of the ledger in memory, with its reason. */

export const LEDGER_LIMITS = {
  /** Events of one batch: 1 MiB of them less a header, as in TigerBeetle. */
  batchEvents: 8190,
  /** Results of one query: a batch of them. */
  queryResults: 8190,
  /** Accounts: 1 GiB of them in one array. */
  accounts: 1 << 23,
  /** Transfers: 2 GiB of them, in pieces; above it a home of them on disk is due. */
  transfers: 1 << 24,
  /** Ids that are spent without a transfer: callers who are refused make them, so they are few beside the transfers. */
  failedIds: 1 << 22,
  /** Balances kept for accounts with history: 80 bytes each, two a transfer at most. */
  balances: 1 << 24,
} as const;
