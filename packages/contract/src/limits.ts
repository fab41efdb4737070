/** Every limit of the contract, with its reason. docs/limits.md lists them for users. */
export const LIMITS = {
  /** A spec is read by people and kept with the job; larger data belongs into blobs. */
  specBytes: 1 << 20,
  /** Tasks of one job: keeps one submit from filling the queue table by itself. */
  partitions: 1_000_000,
  /** Replicas of one deployment: the coordinator looks at each of them whenever one of them changes. */
  replicas: 10_000,
  /** Arguments of one task; with the next one what Linux gives a program at least. */
  arguments: 1024,
  argumentBytes: 131_072,
  /** Variables of one task, and their names and values together. */
  environmentVariables: 256,
  environmentBytes: 131_072,
  /** Inputs of one task; a reduce takes one from each task of its map. Folders hold more files. */
  inputs: 10_000,
  /** Outputs of one task; a folder is one output. */
  outputs: 64,
  /** Processes and threads of one attempt; what Linux allows a small machine in all. */
  processes: 32_768,
  /** Targets that one job may reach through the network. */
  networkTargets: 64,
  /** Ports that one job publishes. */
  ports: 16,
  /** One message of a tunnel; either end of it holds a few of them before it makes the other wait. */
  tunnelFrameBytes: 65_536,
  /** Tunnels that a node holds at a time; with their buffers some 64 MiB where nobody reads. */
  tunnelsPerNode: 256,
  /** To one attempt; its forwarder relays twice as many, for its health checks and what it lets out. */
  tunnelsPerAttempt: 64,
  /** Constraints of one job: each is looked at for every node. */
  constraints: 32,
  /** Objectives of one job: with more, nearly every placement is as good as every other. */
  objectives: 4,
  /** Jobs that one job waits for: each is looked at whenever one of them ends. */
  dependencies: 64,
  /** Trade-offs that a coordinator keeps, the newest; each may have 300 points with a node for each of 1,000 tasks. */
  keptFronts: 16,
  /** Longest search for the trade-offs of a job that somebody asks for. */
  frontMilliseconds: 10_000,
  /** Price of a slice, budget of a run, in micro-FOG: sums of them stay exact. */
  microFog: 2 ** 36,
  /** Power of one node: a rack has less. */
  watts: 1_000_000,
  /** Labels of a job or node, and the length of one name or value. */
  labels: 64,
  labelBytes: 256,
  /** Standard input written in the spec itself; more is a blob. */
  inlineStdinBytes: 65_536,
  /** Entries of one folder manifest. */
  folderEntries: 100_000,
  /** A folder manifest as bytes: 100,000 entries with long names. It is parsed in one piece. */
  folderManifestBytes: 32 << 20,
  /** A path in a sandbox or folder; the shortest limit of common systems. */
  pathBytes: 1024,
  /** A key or certificate fits; a secret travels with each lease. */
  secretBytes: 65_536,
  /** One text frame on the agent link, either way. */
  frameBytes: 8 << 20,
  /** Entries of one journal frame. */
  journalEntries: 1000,
  /** Attempts whose use one frame tells. */
  samplesPerFrame: 1000,
  /** One log chunk; a chunk is one row and one SSE event. */
  logChunkBytes: 16_384,
  /** The log of a program that is kept running may grow by so many bytes in this time, for ever. */
  serviceLogBytes: 1 << 20,
  serviceLogMilliseconds: 600_000,
  /** What ran an attempt: an image with its digest fits. */
  engineBytes: 256,
  /** One message about a failure or progress: read by people. */
  messageBytes: 4096,
  /** Items of one page of an answer. */
  pageSize: 1000,
  /** Shortest period of checkpoints: each freezes its program and stores what has changed. */
  checkpointEveryMilliseconds: 1000,
  /** Attempts of a task that are shown, the last ones: more than retries and failures of nodes can make. */
  shownAttempts: 128,
  /** Attempts that a node may spoil before the task fails for good. */
  nodeFailures: 10,
  /** Results of one verified task. Each is compared with each, and all of them stand in the task's stored state. */
  resultsPerTask: 15,
  /** The share of leases that may be spot checks; above it, replicas tell more for the same price. */
  spotCheckShare: 0.5,
  /** Any hash or UUID fits. */
  idempotencyKeyBytes: 256,
  /** Why somebody appeals, or what decides it: a page. */
  reasonCharacters: 4_000,
} as const;
