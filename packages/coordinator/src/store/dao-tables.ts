/** The tables of governance; see tables.ts. Amounts are texts of decimal digits: they may have 128 bits. */

export interface DaoTables {
  dao_network: DaoNetworkTable;
  dao_parameters: DaoParametersTable;
  dao_audit: DaoAuditTable;
  dao_proposals: DaoProposalsTable;
  dao_ballots: DaoBallotsTable;
  dao_snapshots: DaoSnapshotsTable;
  dao_snapshot_voters: DaoSnapshotVotersTable;
  dao_stakes: DaoStakesTable;
  dao_powers: DaoPowersTable;
  dao_voting_keys: DaoVotingKeysTable;
  emission_shares: EmissionSharesTable;
  emission_claims: EmissionClaimsTable;
  emission_epochs: EmissionEpochsTable;
}

/** One row, `id` 1. */
export interface DaoNetworkTable {
  id: number;
  /** What ballots are signed for: drawn once. */
  name: string;
}

/** Parameters that a vote has changed; the others have their defaults. */
export interface DaoParametersTable {
  name: string;
  value: string;
  /** Id of the proposal. */
  proposal: string;
  changed_at: number;
}

/** What was carried out, never changed: a row for each change and payment, and one for a proposal of words. */
export interface DaoAuditTable {
  proposal: string;
  /** Within the proposal, from 0. */
  position: number;
  /** parameter, grant or text */
  kind: string;
  title: string;
  /** Name of the parameter, or who was paid; empty for words. */
  subject: string;
  /** What the parameter was; null for the others. */
  before: string | null;
  /** What it is now, or what was paid. */
  after: string | null;
  /** Who asked for it; empty when its time had come. */
  asked_by: string;
  sequence: number;
  carried_out_at: number;
}

export interface DaoProposalsTable {
  id: string;
  proposer: string;
  state: string;
  /** 1 until it has ended. */
  is_live: number;
  created_at: number;
  /** When something becomes of it by itself; null when it has ended. */
  due_at: number | null;
  /** The proposal as JSON, as it stands in the record of its vote. */
  body: string;
}

export interface DaoBallotsTable {
  proposal: string;
  voter: string;
  /** Place among the ballots of the proposal, from 1. */
  number: number;
  choice: string;
  nonce: string;
  signature: string;
  public_key: string;
  power: string;
  cast_sequence: number;
  cast_at: number;
}

/** What was published when a vote opened. */
export interface DaoSnapshotsTable {
  proposal: string;
  before_sequence: number;
  snapshot_sequence: number;
  supply: string;
  voters: number;
  tree_root: string;
  root: string;
}

export interface DaoSnapshotVotersTable {
  proposal: string;
  voter: string;
  public_key: string;
  power: string;
}

/** What an owner had bonded from this tick of the ledger's journal on, and whose power it was. */
export interface DaoStakesTable {
  owner: string;
  sequence: number;
  bonded: string;
  delegate: string | null;
}

/** What power a voter had from this tick on; the voter with the empty name is all bonded stake. */
export interface DaoPowersTable {
  voter: string;
  sequence: number;
  power: string;
}

export interface DaoVotingKeysTable {
  principal: string;
  /** Of Ed25519, raw, in hexadecimal. */
  public_key: string;
  registered_at: number;
}

/** Fees on what a job has paid a provider, until the job burns its part of them; only where some are to burn. */
export interface EmissionSharesTable {
  job_id: string;
  provider: string;
  retained: string;
}

/** What burned for a provider of a job, until its epoch is over and has made new money of it. */
export interface EmissionClaimsTable {
  /** Days since 1970. */
  epoch: number;
  job_id: string;
  provider: string;
  burned: string;
}

/** Epochs that are over and had claims. */
export interface EmissionEpochsTable {
  epoch: number;
  claims: number;
  /** For all claims. */
  burned: string;
  /** What all claims came to before the cap. */
  wanted: string;
  /** Of what burned; 0 when emission was off. */
  share_ppm: number;
  /** The cap. */
  most: string;
  /** New money so far. */
  made: string;
  /** When the last claim was spent; null while there are any. */
  settled_at: number | null;
}
