/** Every limit of escrow, with its reason. Money is in micro-FOG. */

export const ESCROW_LIMITS = {
  /** Price of one result: 64 bits, so that a transfer carries it beside what it moves, and no cover exceeds 128 bits. */
  priceMicroFog: (1n << 64n) - 1n,
  /** Tasks of one job: as many as its specification may have. */
  tasks: 1_000_000,
  /** Results of one task that are paid: as many as verification takes, and one that runs while they are looked at again. */
  resultsOfTask: 16,
  /** Leases of one task that may be named at once: more than retries and failures of nodes can make. */
  leasesOfTask: 128,
  /** Replicas of one service, as many as a deployment may have. */
  replicas: 10_000,
  /** Leases of a service that are paid for one period: those that go on, and many times that ended in it. */
  leasesOfPeriod: 50_000,
  /** Price of the dearest tier, in parts per million of that of the lowest: a hundred times. */
  pricePpm: 100_000_000n,
  /** Longest wait that a schedule of credits tells apart, in thousandths of what was promised. */
  waitPermille: 1_000_000,
  /** Steps of a schedule of credits: each is a counter in the record of every job. */
  creditSteps: 8,
  /** Fences, periods and top-ups of one job: they stay exact numbers, and fit beside the partition in 64 bits. */
  number: 2 ** 40,
  /** Work that one result reports: what 64 bits count. */
  fuel: (1n << 64n) - 1n,
  /** Longest promised wait, longest period of a service, longest run that is told: a year. */
  milliseconds: 31_536_000_000,
  /** Name of a job or a principal. */
  nameBytes: 256,
  /** Terms or a record as JSON: a settlement with all its leases, the longest of them, fits. */
  textBytes: 16_384,
  /** Payments of one stream: all leases of a period. */
  streamPayments: 50_000,
} as const;
