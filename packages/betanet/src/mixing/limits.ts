/** Every limit of the pure parts of a mix node, with its reason. Sizes in bytes, times in milliseconds. */

export const MIXING_LIMITS = {
  /**
   * Replay tags of one key, whatever an operator asks for: 100,000 packets a second over an epoch of 20 minutes and its
   * grace are half of that. A full set takes some 3 GiB.
   */
  replayTags: 1 << 28,
  /** Tags of one segment when a set is full: growing it moves so many, in less than a tenth of a millisecond. */
  replayTagsPerSegment: 4096,
  /** Entries of a timer wheel: some 13 bytes each. */
  wheelEntries: 1 << 24,
  /** The longest time that a timer wheel reaches ahead: what a header can ask for, some 49 days. */
  wheelMilliseconds: 0xffff_ffff,
  /** Bytes of a packet pool: as many packets as below with 4 KiB each. */
  poolBytes: 2 ** 32,
  /** Packets that a queue holds at most: 25,000 a second with a mean delay of ten seconds are a quarter of that. */
  heldPackets: 1 << 20,
  /** Nodes that packets of one queue can go to next; an index stands for each. */
  nextHops: 1 << 16,
  /** The most tokens that a bucket holds, or gets in a second: far beyond any link, and products stay exact. */
  bucketTokens: 1 << 30,
  /** Network prefixes that a gateway remembers: some 100 bytes each. */
  prefixes: 1 << 20,
  /** Random numbers are fetched in blocks: a call into the system for each number would cost more than the number. */
  randomBlockBytes: 4096,
  /** The cap of a delay is at least so many times its mean: below, drawing anew would be the rule. */
  capOverMean: 1,
  /** Slots of one stream of a client or node in a second: the rate of a fast link, not of cover. */
  streamPacketsPerSecond: 100_000,
  /**
   * A sender that was held up (a machine that slept) makes up for so much time at most. Older slots are left out: a
   * burst would tell when the machine woke, and no longer be a Poisson process.
   */
  catchUpMilliseconds: 1000,
  /**
   * How many standard deviations of its count a sender's planned traffic stays below its budget: chance alone exhausts
   * a large one in about one hour of 30,000, and one of ten packets in one of 3,000.
   */
  budgetDeviations: 4,
  /** Results of loops that an alarm looks back on. */
  loopResults: 256,
  /** The fewest results that an alarm judges by: losses in a row that short could still be chance. */
  loopResultsLeast: 4,
  /** Loops of a node under way at a time: ten a second that take over a minute and a half each. */
  outstandingLoops: 1024,
  /** Senders that a simulation tells apart: each packet under way carries a number for each of them. */
  simulatedClients: 2000,
  /** Packets that one node of a simulation holds: some 3 MiB; with the next limit 200 MiB. */
  simulatedPackets: 1 << 16,
  simulatedNodes: 64,
  /** Layers of mixes: more than any packet has hops. */
  simulatedLayers: 16,
  /** The cap of delays: what was drawn is counted by milliseconds. */
  simulatedDelayMilliseconds: 600_000,
  /** Simulated time of one run: a day. */
  simulatedSeconds: 86_400,
  /** Packets of all clients in one run: four numbers are kept of each message, at most 128 MiB. */
  simulatedClientPackets: 1 << 22,
  /** Packets under way times clients: a number of 8 bytes for each of them, 256 MiB. */
  simulatedKnowledge: 1 << 25,
  /** Additions of one run: about a minute of one processor. */
  simulatedSteps: 10_000_000_000,
  /** Attacks on one node that an alarm is tried with: a millisecond or two of processor time each. */
  simulatedAttacks: 10_000,
} as const;
