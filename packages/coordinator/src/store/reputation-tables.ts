/** The table of what is known of owners of nodes; what is known of a node stands in its row of `node_trust`. */

export interface ReputationTables {
  owner_reputations: OwnerReputationsTable;
}

export interface OwnerReputationsTable {
  /** Principal. */
  owner: string;
  /** JSON of ReputationRecord. */
  record: string;
  /** Counts its changes: it is saved only over the version that was read. */
  version: number;
}
