/** Emission in the database. */
export const EMISSION_LIMITS = {
  /** An epoch of emission: a day, from midnight to midnight in UTC, like the one of rewards of stake. */
  epochMilliseconds: 86_400_000,
  /** How often is looked for an epoch that is over: who waited a day waits a minute more. */
  lookMilliseconds: 60_000,
  /** Claims that one transaction spends: it holds the ledger for some 20 ms. */
  claimsPerBatch: 500,
} as const;
