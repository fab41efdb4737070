/** Every limit of the contract, with its reason. docs/limits.md lists them for users. */
export const LIMITS = {
  /** A spec is read by people and kept with the job; larger data belongs into blobs. */
  specBytes: 1 << 20,
  /** Tasks of one job: keeps one submit from filling the queue table by itself. */
  partitions: 1_000_000,
  arguments: 1024,
  argumentBytes: 131_072,
  environmentVariables: 256,
  environmentBytes: 131_072,
  inputs: 10_000,
  outputs: 64,
  constraints: 32,
  labels: 64,
  labelBytes: 256,
  /** Standard input written in the spec itself; more is a blob. */
  inlineStdinBytes: 65_536,
  /** Entries of one folder manifest. */
  folderEntries: 100_000,
  folderManifestBytes: 32 << 20,
  pathBytes: 1024,
  secretBytes: 65_536,
  /** One text frame on the agent link, either way. */
  frameBytes: 8 << 20,
  /** Entries of one journal frame. */
  journalEntries: 1000,
  /** One log chunk; a chunk is one row and one SSE event. */
  logChunkBytes: 16_384,
  /** Failures of one message text. */
  messageBytes: 4096,
  pageSize: 1000,
  /** Attempts that a node may spoil before the task fails for good. */
  nodeFailures: 10,
  idempotencyKeyBytes: 256,
} as const;
