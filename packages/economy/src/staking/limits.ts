/** Every limit of staking, with its reason. Money is in micro-FOG, times are in milliseconds. */

export const STAKING_LIMITS = {
  /** Least stake that somebody else than the validator delegates: each delegation is a row, and a row costs more. */
  leastDelegationMicroFog: 10_000n,
  /** Least amount that moves from one validator to another at a time: each is looked at when the first is slashed. */
  leastRedelegationMicroFog: 10_000_000n,
  /** Moves away from one validator that are still liable for its faults: a slash looks at all of them. */
  redelegations: 1000,
  /** Bits of the shares of one validator: what a period's division leaves over stays below one micro-FOG. */
  shareBits: 96n,
  /** Who leaves in the same hour leaves together: at most 337 cohorts in 14 days, and a slash looks at all of them. */
  cohortMilliseconds: 3_600_000,
  /** Slashes of one validator that are held at a time: each is a row, and whoever has so many is out of work already. */
  heldSlashes: 1000,
  /** Validators that one epoch pays: each is a row that is written and a transfer. */
  epochValidators: 100_000,
  /** Most that a commission changes in a day, in parts per million: delegators have time to see it and leave. */
  commissionStepPpm: 10_000n,
  /** That day. */
  commissionStepMilliseconds: 86_400_000,
  /** Slots of a liveness window: one number of so many bits a validator. */
  livenessSlots: 10_000,
  /** Those who may be drawn as arbiters of one fault: they are kept with its evidence. */
  arbiterCandidates: 1024,
  /** Least stake of who may be drawn as arbiter: the draw is by stake, and less than that would hardly ever be drawn. */
  leastArbiterMicroFog: 1_000_000n,
  /** Arbiters of one fault: each runs the task once more, and one that disagrees is enough to spare the accused. */
  arbiters: 15,
  /** Longest time of a parameter, ten years: sums of times stay exact. */
  parameterMilliseconds: 315_360_000_000,
  /** Name of a principal or a job, a cause, a digest. */
  nameBytes: 256,
  /** Rows of one table in a snapshot that is read: what fits into the memory of one process. */
  snapshotRows: 10_000_000,
} as const;
