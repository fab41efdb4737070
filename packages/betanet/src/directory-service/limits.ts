/** Every limit of the directory as a service, with its reason. */

export const DIRECTORY_SERVICE_LIMITS = {
  /** How long an authority may take to answer: a consensus of 8 MiB over a slow line. */
  answerMilliseconds: 20_000,
  /** For what is small: a relay has only a part of a round for its proof. */
  smallAnswerMilliseconds: 5000,
  /** Consensuses that an authority keeps: for nodes that were away, and to look back on. */
  keptConsensuses: 8,
  /** How often an authority asks the others within one step of a round. */
  fetchesPerStep: 4,
  /** Between two fetches at least, so that short steps do not become a flood. */
  leastFetchMilliseconds: 25,
  /** How often a node looks for a consensus that it has not, or for a seed. */
  leastPollMilliseconds: 50,
  /** How often a relay looks whether something is to be sent, at least: ten times while proofs are taken. */
  pollsPerRound: 100,
  mostPollMilliseconds: 10_000,
  /** Requests of one network prefix in a second: some relays behind one router, with all that they ask. */
  requestsPerSecond: 500,
  /** As so many requests counts a document that is sent here: its signature and keys take a millisecond or two to check. */
  documentRequests: 10,
  /** Bytes of large answers to one network prefix in a second, and at once: a hundred clients that fetch 2 MiB each. */
  answerBytesPerSecond: 8 << 20,
  answerBytesBurst: 256 << 20,
  /** Relays that an authority dials at a time, and of these for one source: strangers choose whom. */
  dialBacks: 64,
  dialBacksPerSource: 8,
  /** For all addresses of a relay together, and less than a relay waits for its answer. */
  dialBackMilliseconds: 8000,
  /** Clients by which an authority probes, each as any client sends: some hundred loops of a mix of 32 in an epoch. */
  probeClients: 8,
  /** Probe loops that are waited for, or have ended and are not counted yet; at the rates of clients a few dozen. */
  probesUnderWay: 65_536,
  /** Beyond the longest delays of a probe loop, what links and busy nodes may take. */
  probeSlackMilliseconds: 2000,
  /** Prefixes that an authority tells apart. */
  prefixes: 10_000,
} as const;
