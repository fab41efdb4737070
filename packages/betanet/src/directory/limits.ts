/** Every limit of the directory and its lottery, with its reason. */

export const DIRECTORY_LIMITS = {
  /** Authorities of a network. Each sends each other what all have said, so their traffic grows with the cube. */
  authorities: 15,
  /** Relays in a consensus: every client reads it each epoch, at some 2 KiB a relay. */
  relays: 2048,
  /**
   * Relays whose descriptors come from one source (an IPv4 address, an IPv6 /56), unless the network is a test: a stranger
   * cannot fill the list from one. A relay of the last consensus is let past, and the newest stranger there makes way.
   */
  relaysPerSource: 8,
  /**
   * Before a relay may replace its descriptor of an epoch, or a twentieth of an epoch where that is shorter: each costs
   * a write of the whole state, and waiting for the disk.
   */
  replacementMilliseconds: 60_000,
  /** Layers of mixes: the longest path of the packet format (16 hops) less gateway and service. */
  layers: 14,
  seatsPerLayer: 512,
  /** Of a network, an authority, an operator. */
  nameCharacters: 64,
  urlCharacters: 256,
  /** Addresses of one relay: one for each family, and some to move between. */
  addressesPerRelay: 4,
  /** Protocol versions that a relay may list. */
  protocolVersions: 8,
  /** Digits of a stake: 10^21 of the smallest unit is more than any supply of ours. */
  stakeDigits: 21,
  /** Digits of a weight: a stake times a million times a million. */
  weightDigits: 33,
  /** Probe loops of one relay that an authority counts in one vote. */
  probes: 1_000_000_000,
  /** Rounds by which an authority judges relays: two hours of epochs; so long one stays out that has failed. */
  probeRounds: 6,
  /** Lost probe loops of one round of which the paths are kept: most of what an authority sends in one. */
  lostProbes: 4096,
  /** Passes over the lost loops in which rates of delivery are found: a second's work with all of the above. */
  ratePasses: 1000,
  /** One descriptor as text: 1.5 KiB with four addresses. */
  descriptorBytes: 4096,
  /** Levels of lists and fields in what is signed; documents of the directory have under ten. */
  documentDepth: 32,
  /** A consensus as text. */
  consensusBytes: 8 << 20,
  /** What one authority sends another: at most a witness of two votes of each authority, each with all descriptors. */
  authorityMessageBytes: 64 << 20,
  /** Different votes, reveals or lists of one authority that another passes on: two are proof enough that it lies. */
  documentsPerSender: 2,
  /** An epoch: below a second, deadlines within it are shorter than a message takes; above a day, keys live too long. */
  shortestEpochMilliseconds: 1000,
  longestEpochMilliseconds: 86_400_000,
  /** Longest mean of a delay or interval that a network may state. */
  intervalMilliseconds: 3_600_000,
  /**
   * By how much a consensus may have been signed in the future before a node says that its clock is wrong. So long a node
   * has the key of an epoch after it has ceased to accept it.
   */
  clockSkewMilliseconds: 30_000,
} as const;
