/** The tables of stake. Those of `@fog/economy/staking` have its fields as columns, see stake-rows.ts. */

/** Numbers that coordinators share: the liveness slot and the reward epoch that were seen to last, and `lock`. */
export interface StakeMarksTable {
  name: string;
  value: number;
}

/** What an owner has bonded with all validators, as listeners were told it last. */
export interface StakeTotalsTable {
  owner: string;
  bonded: string;
}

/** A result that a trusted node has proven wrong. */
export interface StakeFaultsTable {
  /** JOB/PARTITION/FENCE */
  fault: string;
  job_id: string;
  partition: number;
  fence: number;
  /** Owner of the node, by the lease. */
  validator: string;
  node_id: string;
  buyer: string;
  leased_at: number;
  found_at: number;
  /** Of the result that the node has committed to and signed. */
  claimed_digest: string;
  /** Of the result of the trusted node. */
  digest: string;
  /** Of the node over its result; null for results from before it was kept. */
  signature: string | null;
  /** By the terms of the job, and what its buyer was charged for the task in micro-FOG. */
  slash_ppm: string;
  insurance_ppm: string;
  paid_for_task: string;
  /** `waiting`: to be proven; `proven`: there is a slash; `void`: there is none, for `void_reason`. */
  state: string;
  /** When a waiting one is looked at next. */
  try_at: number;
  void_reason: string | null;
  /** JSON of the draw of arbiters and of what they found; null where a trusted node has proven it. */
  evidence: string | null;
  appeal_reason: string | null;
  decided_by: string | null;
  decision_reason: string | null;
}

/** A task whose results differ, until it is known which of them are wrong. */
export interface ArbitrationsTable {
  /** JOB/PARTITION/FENCE, of the newest of the results. */
  id: string;
  job_id: string;
  partition: number;
  /** The job whose oversight pays for it. */
  paid_by: string;
  /** `open`, `trusted` and `arbiters` while it is under way, then an outcome: see settlement/arbitration/record.ts. */
  state: string;
  opened_at: number;
  /** Null while it is under way. */
  ended_at: number | null;
  /** JSON of ArbitrationRecord. */
  record: string;
}

export interface StakeValidatorsTable {
  validator: string;
  status: string;
  tokens: string;
  shares: string;
}

export interface StakeDelegationsTable {
  validator: string;
  delegator: string;
  shares: string;
}

export interface StakeTables {
  stake_marks: StakeMarksTable;
  stake_totals: StakeTotalsTable;
  stake_faults: StakeFaultsTable;
  arbitrations: ArbitrationsTable;
  /** Only what is asked for by name; the rest by stake-rows.ts. */
  stake_validators: StakeValidatorsTable;
  stake_delegations: StakeDelegationsTable;
  stake_periods: { validator: string };
  stake_cohorts: { validator: string; left_at: number; releases_at: number; holds: number };
  stake_entries: { validator: string; delegator: string; left_at: number };
  stake_redelegations: { validator: string; target: string; delegator: string; left_at: number; until: number };
  stake_slashes: { validator: string; fault: string; state: string; fault_at: number; decide_until: number };
  stake_slash_parts: { validator: string };
  stake_liveness: { validator: string };
}
