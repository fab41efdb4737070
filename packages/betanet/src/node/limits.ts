/** Every limit of a mix node, with its reason. */

export const NODE_LIMITS = {
  /** Packets with which a batch is closed: the lanes of the widest X25519. */
  batchPackets: 8,
  /** How long the first packet of a batch waits for others: far below any mixing delay. */
  batchWaitMilliseconds: 0.15,
  /** How long an order to a thread without work, e.g. to forget a key, may stay unseen: it can come just before a wait. */
  orderWaitMilliseconds: 1000,
  /**
   * How long the I/O thread may unwrap in one round of its event loop, while the threads are idle: as much as comes up
   * while it waits for one turn on a busy processor. What needs longer is load that lasts, and worth waking threads for.
   */
  unwrapHereMilliseconds: 3,
  /** How often it is decided whether the I/O thread keeps up: longer than it may have to wait for a turn now and then. */
  unwrapPeriodMilliseconds: 200,
  /** The part of such a period from which on it does not: hardly a pause. */
  unwrapBusyShare: 0.97,
  /** The part of the rate that was too much for it, below which it is tried again: not so near that it swings. */
  unwrapCalmShare: 0.8,
  /** When it is tried again whatever the rate: each try that does not last doubles the pause, so that they cost nothing. */
  unwrapTryLeastMilliseconds: 1000,
  /** The longest of these pauses. */
  unwrapTryMostMilliseconds: 30_000,
  /** Turns on the processor that the threads of a node ask for: the shortest that Linux gives. */
  timeSliceMilliseconds: 0.1,
  /** Slots of the ring between I/O and one unwrapping thread: some 50 ms of work at full speed, 4 to 8 MiB. */
  ringSlots: 2048,
  /**
   * Packets that wait for one unwrapping thread before links are no longer read: some 10 ms of work. Whoever has an equal
   * part of them or more waits.
   */
  congestedAbove: 512,
  /**
   * Above this everybody waits. So many links can still add what they are just handing over, up to a message each,
   * without a packet being dropped.
   */
  allHeldAbove: 1024,
  /**
   * Packets that are taken under one key. 25,000 a second for an epoch of twenty minutes with two of grace are 33
   * million; their tags take up to 400 MB of memory and 264 MB of disk. Beyond, packets are refused and counted.
   */
  replayTagsPerKey: 40_000_000,
  /** Packets that wait for a link that is being made: a few ms at full speed. */
  packetsBeforeLink: 64,
  /** Of all such packets together: some 14 MB. When all places are taken, whoever has most of them waiting gives one up. */
  packetsBeforeLinks: 4096,
  /**
   * What waits for all neighbours that do not read: each has an equal part of it, but no more than `sendBufferBytes` of a
   * link, and no less than what follows. 512 mixes of a layer have half a MiB each, some 150 packets.
   */
  neighbourBuffersBytes: 256 << 20,
  /** With all 2048 relays that a directory lists, 512 MiB; they are cut when they answer no ping. */
  neighbourBufferLeastBytes: 256 << 10,
  /** Pauses before a node that could not be reached is tried again; each is twice the last. */
  redialLeastMilliseconds: 100,
  redialMostMilliseconds: 30_000,
  /**
   * Records of the size of a delivery that a gateway sends for each packet of a client, dummies where nothing waits. A
   * packet brings three reply blocks at most, and at the usual rates half of all packets are cover: seven deliveries for
   * four packets. With one slot each, answers of many packets would wait longer and longer.
   */
  slotsPerClientPacket: 2,
  /**
   * Clients that a gateway remembers, those that are away included. Room is made by the prefix of which most are away,
   * and there by the one that went first.
   */
  clients: 10_000,
  /**
   * Deliveries that a gateway keeps until their clients have slots for them: up to 110 MB. When all are taken, the
   * fullest mailbox of the fullest prefix gives one up.
   */
  keptDeliveries: 32_768,
  /** Of these for one client: a minute of a fast stream of replies. */
  keptDeliveriesPerClient: 512,
  /** How long a client may be away: as long as the reply blocks that it has given out are good, and no longer. */
  keepDeliveriesMilliseconds: 25 * 60_000,
  /** Packets that wait for their time: 65,536 packets of 3.4 KB are 220 MB, 1.3 s at 50,000 a second. */
  heldPackets: 1 << 16,
  /** Packets of one network prefix that a gateway takes in a second: some hundred clients behind one router. */
  prefixPacketsPerSecond: 1000,
  /** Prefixes that a gateway tells apart. */
  prefixes: 65_536,
  /** Handshakes of one network prefix, or of the host of a relay, that begin in a second: 0.4 ms of a processor each. */
  handshakesPerSecondPerPrefix: 16,
  /** So many at once: all clients of a prefix, when their gateway is back. */
  handshakeBurstPerPrefix: 256,
  /** Handshakes of all strangers together that begin in a second: a fifth of a processor. */
  handshakesPerSecond: 512,
  /** So many at once: more clients than a gateway has links for. */
  handshakeBurst: 1024,
  /**
   * Links of relays at a time: all that a directory lists. Next to nothing is sent to them; each costs a file descriptor,
   * which the system must let the process have, and some KiB.
   */
  relayLinks: 2048,
  /** Links of all others: clients, relays that come from another address than they list, and who comes to nothing. */
  strangerLinks: 1024,
  /** Of these of clients: the rest is for the relays among them. */
  clientLinks: 768,
  /** Of these from one network prefix: some hundred clients behind one router, and no more places for a stranger. */
  clientLinksPerPrefix: 256,
  /** What waits in the link of a client that does not read: some 75 packets. With its links, 200 MB at most. */
  clientBufferBytes: 256 << 10,
  /** Packets of one relay in a second: more than any link of a gigabit brings. */
  linkPacketsPerSecond: 100_000,
  /**
   * Of these that come to nothing (no key fits, or seen before): a tenth of what one thread unwraps. Beyond, packets of
   * that relay are dropped unseen. The link stays: clients make the headers, so a relay may pass on what is worthless.
   */
  worthlessPacketsPerSecond: 2500,
  /** Beyond the longest delays of a loop, what links and threads may take. */
  loopSlackMilliseconds: 2000,
  /** How long a node is part of a consensus before it sends loops: its neighbours hear of it, and links are made. */
  loopStartMilliseconds: 2000,
  /** No timer runs longer: the clock may have been set meanwhile. */
  mostTimerMilliseconds: 60_000,
  /** Nodes that one node forwards to, those that left in the time below included: thirty times what a directory lists. */
  nextHops: 65_535,
  /** How long the number of a node that left is kept: longer than any network may have packets held. */
  nextHopMilliseconds: 2 * 3_600_000,
  /** Packets whose times a node of a test network remembers: minutes of its traffic, some 2 MB. */
  tracedPackets: 8192,
  /** How often the delay queue is looked at: delays are whole milliseconds. */
  tickMilliseconds: 1,
} as const;

/** Those that a node can be given others for. */
export type MixNodeLimits = Record<
  | 'replayTagsPerKey'
  | 'keptDeliveries'
  | 'keptDeliveriesPerClient'
  | 'heldPackets'
  | 'prefixPacketsPerSecond'
  | 'clientLinks'
  | 'clientLinksPerPrefix'
  | 'clientBufferBytes'
  | 'linkPacketsPerSecond'
  | 'worthlessPacketsPerSecond',
  number
>;
