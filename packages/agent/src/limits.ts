/** Every limit of the agent, with its reason. Sizes in bytes, times in milliseconds. */
export const AGENT_LIMITS = {
  /** First and longest pause before another connection; the pause itself is random below it (full jitter). */
  reconnectFirstMilliseconds: 200,
  reconnectMostMilliseconds: 15_000,
  /** From dialling to welcome; a coordinator that needs longer is treated as down. */
  handshakeMilliseconds: 10_000,
  /** A session that lasted this long was a good one: the pause before the next starts small again. */
  steadySessionMilliseconds: 5_000,
  /** Heartbeats missed before the connection counts as dead: one may be late, two are not. */
  silentHeartbeats: 2.5,
  /** Heartbeats are sent this share of the period early at most, so that a fleet does not beat in step. */
  heartbeatJitter: 0.1,
  /** Bytes waiting in the socket above which logs and further journal entries wait in their own buffers. */
  socketBacklogBytes: 1 << 20,
  /** How often a full socket is looked at again. */
  socketPollMilliseconds: 20,
  /** Held attempts listed in hello; the schema of the frame allows no more. */
  heldAttempts: 10_000,

  /** Acknowledged bytes in the journal file before it is rewritten without them. */
  journalDeadBytes: 1 << 20,
  /** One journal frame; half of a frame, because JSON text may grow when its messages are escaped. */
  journalFrameBytes: 2 << 20,
  /** How long the start of an attempt waits for its outcome, to be told together: people do not notice. */
  journalLingerMilliseconds: 20,
  /** Pause after a failed write (full disk) before the next try. */
  journalRetryMilliseconds: 1_000,

  /** Log kept and sent of one attempt; the rest is dropped with a notice. It bounds memory: slots times this, twice as much for programs that are kept running. */
  logBytes: 1 << 20,
  /** Log of one attempt is sent this often; short outputs of many tasks share a turn. */
  logFlushMilliseconds: 50,
  /** Secrets below this are not looked for: they would also be found where they are none, and make text unreadable. */
  leastSecretBytes: 4,
  /** The same for one line of a secret with several: a short one is an ordinary word or a bracket. */
  leastSecretLineBytes: 8,
  /** Progress is journaled this often per attempt; it is shown to people, who read no faster. */
  progressMilliseconds: 500,

  /** What is kept of an answer to a health check, and of why a program is restarted: people read it in one line. */
  healthMessageCharacters: 512,
  /** Headers of an answer to a health check, as many as Node's own servers send. */
  healthAnswerBytes: 16_384,
  /** A tunnel on which nothing moves, while its coordinator is gone; longer than the coordinator itself waits. */
  tunnelIdleMilliseconds: 15 * 60_000,
  /**
   * Results that wait to be asked for; further leases are declined. The coordinator lets a node begin far fewer; the rest
   * is for replicas of tasks that others began.
   */
  committedAttempts: 512,
  /** Outputs of such a result that stay in memory; larger ones go to the disk. */
  committedMemoryBytes: 65_536,

  /** How often attempts are asked what they use: often enough for a curve, seldom enough to cost nothing. */
  sampleMilliseconds: 10_000,
  /** How often deadlines of held attempts (heartbeat, contact, drain) are looked at. */
  watchMilliseconds: 100,
  /** How often what an earlier agent left is tried to be removed, while its engine is away. */
  reapMilliseconds: 60_000,
  /** Time for the coordinator to acknowledge the last results of a drain. */
  drainAcknowledgeMilliseconds: 10_000,
  /** Files and folders in one sandbox: as many as one folder manifest can have. */
  attemptFiles: 100_000,

  /** Files of one attempt that are fetched or stored at the same time. */
  transfersPerAttempt: 4,
  /** Transfers of all attempts together: more only divide the same line, and each holds a connection. */
  transfers: 16,
  /** Blobs up to this size are stored without asking first what is there already: one request instead of two. */
  directUploadBytes: 65_536,
  /** Failures in a row, without a byte of progress and with the link up, before an attempt gives up a transfer. */
  transferFailures: 10,
  transferRetryFirstMilliseconds: 100,
  transferRetryMostMilliseconds: 5_000,
  /** Unchanged files of a checkpoint are stored anew after this long, so that the coordinator keeps them. */
  checkpointKnownMilliseconds: 3_600_000,
  /** Digests remembered of one attempt: as many as one folder manifest can have. */
  checkpointKnown: 100_000,
  /** Copies of /checkpoint tried after the end of its program, whose container may be dying yet; the pause between. */
  lastCheckpointTries: 10,
  lastCheckpointPauseMilliseconds: 100,
  /** Tries to let a frozen program go on before the attempt is given up: an engine may be away for a moment. */
  resumeTries: 20,
  /** Of a pause, before the program is said to run on. */
  pauseTries: 3,
  resumePauseMilliseconds: 250,
  /** Times that bytes with a wrong digest are fetched or stored again. */
  digestRetries: 1,
} as const;
