/** Every limit of the SDK, with its reason. docs/limits.md lists them for users. */
export const SDK_LIMITS = {
  /** Files of this size and below are read once, hashed and sent from memory; larger ones are streamed twice. */
  wholeFileBytes: 4 << 20,
  /** Uploads or downloads at a time: hides the round trip of small files without crowding out other callers. */
  concurrentTransfers: 8,
  /** Jobs of one workflow: they are submitted one after another. */
  workflowJobs: 1_000,
  /** Tries of one request whose answer may have been lost, with growing pauses: about 15 s in all. */
  requestTries: 7,
  requestPauseMilliseconds: 250,
  requestPauseLongestMilliseconds: 4000,
  /** Batches of one map at a time: each holds one connection that follows its events. */
  outstandingBatches: 256,
  /** Work that one batch aims at: long against the cost of a job (tens of ms), short against a user's patience. */
  batchMilliseconds: 1000,
  /** The smallest batch worth its own cost, unless so few items are left that slots would stand idle. */
  shortestBatchMilliseconds: 150,
  /** A batch holds at most this many times the items of the largest one measured: one cheap item proves little. */
  batchGrowth: 16,
  batchItems: 65_536,
  /** Items of one batch as text: held in memory by the agent, the engine and the SDK at once. */
  batchBytes: 16 << 20,
  /** Items read from the source and not yet handed out in order; a slow first item holds back this many. */
  itemsAhead: 200_000,
  /** How long a slow source may keep a batch from being full before it is sent as it is. */
  lingerMilliseconds: 20,
  /** How often the number of usable slots is asked for while a map runs. */
  planMilliseconds: 5000,
  /** How often a deployment is asked for while it is waited for; the coordinator looks at it once a second. */
  deploymentPollMilliseconds: 500,
  /** How long a map waits for a first node that can run it before it gives up. */
  waitForNodesMilliseconds: 10_000,
  /** Source and context of a function: one script, which every node fetches and every batch parses. */
  scriptBytes: 16 << 20,
} as const;
