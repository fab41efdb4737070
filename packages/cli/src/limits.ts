/** Every limit of the command line, with its reason. docs/limits.md lists them for users. */
export const CLI_LIMITS = {
  /** Two signals within this time are one: a terminal and a parent process both pass on the same Ctrl-C. */
  sameSignalMilliseconds: 250,
  /** `fog up`: time for the nodes to connect before it says which are missing. */
  connectMilliseconds: 20_000,
  /** `fog up`: time for a node to stop before it is killed. Together with the next one below 5 s. */
  stopNodeMilliseconds: 2500,
  /** Of this, what runs gets so much to end, or to write its checkpoint. */
  stopDrainMilliseconds: 1500,
  stopCoordinatorMilliseconds: 2000,
  /** Pauses before a node that died is started again. */
  restartMilliseconds: 1000,
  restartLongestMilliseconds: 30_000,
  /** A node that lived this long starts again without the memory of earlier failures. */
  restartForgetMilliseconds: 60_000,
  /** `fog node join`: time on SIGINT for what runs. */
  interruptDrainMilliseconds: 5000,
  /** Rows that a person reads; `--all` shows the rest. */
  shownTasks: 50,
  shownJobs: 50,
  /** Of a reason in a table: a page that a health check got must not push the other columns apart. */
  whyCharacters: 100,
  /** Outputs downloaded at a time: those of a job with many tasks are mostly small. */
  concurrentOutputs: 8,
  /** `fog forward`: connections at a time; a replica takes 64. */
  forwardedConnections: 256,
  /** `fog forward`: time for the coordinator to answer; it waits 10 s for the node. */
  forwardMilliseconds: 15_000,
  /** `fog forward`: a connection on which nothing moves, while the coordinator is gone. */
  forwardIdleMilliseconds: 15 * 60_000,
  /** The document that tells why a connection was refused. */
  problemBytes: 65_536,
  /** A result that `fog run` prints; more is downloaded. */
  printedResultBytes: 64 << 10,
  /** How often it is asked why a task waits, and how long a wait for room is not worth a word. */
  askWhyMilliseconds: 1000,
  quietWaitMilliseconds: 10_000,
  /** Smallest time between two drawings of the progress line. */
  drawMilliseconds: 100,
  /** `fog mix up`: the first round of the directory, half of it for everything to start; with more for each layer. */
  mixBootstrapMilliseconds: 7000,
  mixBootstrapPerLayerMilliseconds: 300,
  /** The same on a machine that was too busy for that. */
  mixSlowBootstrapMilliseconds: 30_000,
  /** Time after the first round for links between all nodes, and how often they are looked at. */
  mixLinksMilliseconds: 10_000,
  mixLookMilliseconds: 50,
  /** How often an authority asks a fog what operators of relays have staked: many times in an epoch. */
  standingMilliseconds: 60_000,
  /** What one command asks a running test network: some thousand hops; and how long it waits for the answer. */
  controlBytes: 1 << 20,
  controlMilliseconds: 5000,
  /** Path of a Unix socket: what Linux and macOS both take. */
  socketPathBytes: 103,
  /** `fog mix ping`: time to reach a gateway, time for one answer, and what is sent. */
  mixConnectMilliseconds: 30_000,
  pingMilliseconds: 60_000,
  pingBytes: 32,
  /** `fog mix bench`: time for each way to unwrap. */
  benchMilliseconds: 1000,
  /** `fog mix simulate`: combinations of one sweep; each may take a minute. */
  simulatedRuns: 32,
  /** `fog sim`: a file, and what a compressed one may grow to; a text cannot be longer. */
  traceBytes: 2 ** 29 - 24,
} as const;
