/** Every limit of reading and replaying traces of GPU clusters, with its reason. */

export const OPENB_LIMITS = {
  /** Characters of one table; the largest public one has 900,000. */
  tableCharacters: 1 << 27,
  /** Rows of one table. */
  tableRows: 1 << 20,
  /** Tasks that one replay brings; each takes one number. */
  replayedTasks: 1 << 22,
  /** Load of a replay, in parts of the cluster's GPUs: what comes after the cluster is full tells nothing. */
  loadRatio: 10,
} as const;
