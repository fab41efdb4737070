/** Every limit of the mix client and of the services behind it, with its reason. Times are in milliseconds. */

export const CLIENT_LIMITS = {
  /**
   * Paths that are drawn and thrown away because two of their relays belong together. Where one path in a hundred is
   * valid, all of them fail once in 10^17 selections; below that, the valid paths are listed instead.
   */
  pathDraws: 4096,
  /** Relays that a search for valid paths looks at: some ten milliseconds. */
  pathSearchSteps: 100_000,
  /** Fragments of one message: an acknowledgement names each by one bit, in 32 bytes. */
  fragmentsPerMessage: 256,
  /** One message. At the rates of a mix network it takes seconds to minutes; larger transfers are streams above this. */
  messageBytes: 256 << 10,
  /** Messages of one session that are under way at a time; with the next limit what the other side has to hold. */
  outstandingMessages: 64,
  outstandingBytes: 1 << 20,
  /** Fragments that a whole client or service has under way: their bytes are kept until they are acknowledged. */
  outstandingFragments: 8192,
  /** How far back a receiver remembers which messages it has had; a sender has fewer than that under way. */
  sequenceWindow: 1024,
  /** How often a fragment is sent. With a third of all round trips lost, ten in a row fail once in 60,000. */
  fragmentTries: 10,
  /** A message that is not acknowledged by then has failed, and nothing of it is sent afterwards. */
  messageLifetimeMilliseconds: 600_000,
  /** How long an answer may be waited for, so that it comes while both sides remember the session. */
  answerMilliseconds: 600_000,
  /** A client that has not heard of a service for so long takes a new pseudonym for its next message. */
  sessionIdleMilliseconds: 600_000,
  /**
   * How long a service remembers a sender after they last exchanged something. The client gives a session up earlier,
   * after the idle time and the lifetime of a message; what is left over is more than a packet can survive in the network
   * (an epoch of 20 minutes and its grace). So nothing that was delivered can come once more.
   */
  sessionMemoryMilliseconds: 2_700_000,
  /** Sessions of one client: each holds a few KiB. */
  clientSessions: 256,
  /** Senders that one service remembers, at some 3 KiB each. */
  serviceSessions: 16_384,
  /** Incomplete messages: of one sender (twice what it may have under way, for their keeping), and of all of them. */
  reassemblyBytesPerSender: 2 << 20,
  reassemblyBytes: 64 << 20,
  /** By such steps it is compared who holds most of these, so that whose messages make way. */
  reassemblyShareBytes: 32 << 10,
  /** An incomplete message of which nothing more comes is forgotten: its sender has given up long before. */
  reassemblyMilliseconds: 900_000,
  /** Places in the queue of the payload stream: at fifty packets a second more than a minute of them. */
  queuedPackets: 4096,
  /** Of one destination: others always find room. */
  queuedPacketsPerDestination: 1024,
  /** Keys of reply blocks that a client waits for: some 600 bytes each. */
  replyKeys: 16_384,
  /** Of one session: a service that asks for more and more must not crowd out the keys of others. */
  replyKeysPerSession: 2048,
  /** Reply blocks that a service keeps for one sender, and for all of them at some 800 bytes each. */
  replyBlocksPerSender: 64,
  replyBlocks: 65_536,
  /** Reply blocks that a service wants to have beyond what it is about to send: a retransmission or two. */
  replyBlockReserve: 3,
  /** Reply blocks that a service may ask for at a time: as many as it keeps. */
  replyBlocksWanted: 64,
  /** How often reply blocks that a service asked for are sent while nothing more is heard of it. */
  replyBlockRounds: 8,
  /**
   * Slots of a service node in a second, in which its answers leave: one waits 50 ms on average, and twenty clients that
   * never stop talking at the rate of the default traffic are answered. A busier service node is given more.
   */
  serviceSlotsPerSecond: 20,
  /** What these slots may cost in an hour: 20 packets of 3.4 KB a second are 236 MiB. Larger packets leave less often. */
  serviceBytesPerHour: 256 << 20,
  /** In one payload: more acknowledgements are rarely waiting, and more reply blocks do not fit. */
  acknowledgementsPerPayload: 8,
  replyBlocksPerPayload: 8,
  /** While an answer is due and the service silent, it is given new reply blocks so often: all others may be lost. */
  answerProbeMilliseconds: 20_000,
  /** What a first round trip may take beyond the delays that were drawn for it; later ones are measured. */
  roundTripMarginMilliseconds: 2000,
  /** The least margin, however regular the round trips were: queues and threads of a busy node take as long. */
  roundTripMarginLeastMilliseconds: 200,
  /** The longest wait for an acknowledgement, however often it was doubled. */
  retransmissionMilliseconds: 60_000,
  /** Characters of a service's name: as long as a label of the domain name system. */
  serviceNameCharacters: 63,
  /** On a test network: messages, and reply blocks, whose packets a client remembers when asked to. */
  journeys: 1024,
  /** Gateways of one run of a client: one to use, and one for when it is gone. Each more is one more that may be watched. */
  guards: 2,
  /** Tries to connect that fail in a row before the other is used. */
  guardTries: 3,
  /** Pauses before a gateway is tried again; each is twice the last. */
  redialLeastMilliseconds: 100,
  redialMostMilliseconds: 30_000,
  /** No timer runs longer: the clock may have been set meanwhile. */
  mostTimerMilliseconds: 60_000,
} as const;
