/** Every limit of the coordinator, with its reason. docs/limits.md lists them for users. */

/** What one stranger, or one slow client, can take from the HTTP side. */
export const HTTP_LIMITS = {
  /** A job specification is at most 1 MiB; JSON escapes may double it. */
  jsonBodyBytes: 2 << 20,
  /** A JSON body has to be here by then: a trickle of bytes must not hold a connection for ever. */
  jsonBodyMilliseconds: 30_000,
  /** Request line and headers have to be here by then (the classic slow-loris attack). */
  headersMilliseconds: 20_000,
  /** How often connections are checked for the two limits above. */
  connectionCheckMilliseconds: 5_000,
  tlsHandshakeMilliseconds: 10_000,
  /** Longer than the idle time of common load balancers (60 s), so that they close first and never hit a race. */
  keepAliveMilliseconds: 72_000,
  /** No byte moved on a connection for this long: the other side is gone. A download is cut after one to two of it. */
  stallMilliseconds: 60_000,
  /** Bytes of a refused body are read and dropped for this long, so that the client gets to see the answer. */
  lingerMilliseconds: 2_000,
  /** Each costs about 20 kB; beyond it the kernel refuses. */
  connections: 20_000,
  /** On stop, transfers in progress get this long. */
  shutdownMilliseconds: 5_000,
  /** A health check that takes longer is a failure. */
  healthMilliseconds: 2_000,

  /** Event streams in all: each may hold one page of records in memory. */
  eventStreams: 2_000,
  eventStreamsPerPrincipal: 200,
  /** Records read at a time for one stream: 128 log chunks of 16 KiB are 2 MiB. */
  eventStreamRecords: 128,
  /** Bytes handed to a stream at a time; a client has to take that much within `stallMilliseconds`. */
  eventStreamSliceBytes: 65_536,
  /** Comment lines keep proxies from closing a silent stream; the token is checked again at the same time. */
  eventStreamKeepAliveMilliseconds: 15_000,
  /** Least time between two reads of one stream: a burst of wakes becomes one page instead of many. */
  eventStreamSpacingMilliseconds: 1,

  /** Each transfer holds a file and up to 2 MiB of buffers. */
  blobTransfers: 512,
  blobReadBytes: 512 << 10,
  /** Bytes gathered before they are written: fewer, larger writes. */
  blobWriteBytes: 1 << 20,
  /** Unfinished uploads on disk; each is at least an inode. */
  partialUploads: 10_000,
  /** An unfinished upload nobody went on with. */
  partialMilliseconds: 24 * 3_600_000,
  /** An upload that claims a file but has not written for this long belongs to a process that is gone. */
  abandonedClaimMilliseconds: 10 * 60_000,
  /** A silent upload older than this gives way to a new one that goes on from its offset. */
  idleUploadMilliseconds: 2_000,
  /** Every blob counts as one block more than its bytes, so that tiny blobs cannot use up the inodes. */
  blobOverheadBytes: 4_096,
  /** Left free on the disk of the blobs; the database often stands on the same. */
  freeDiskBytes: 256 << 20,
  /** Received bytes between two looks at the free disk. */
  freeDiskCheckBytes: 64 << 20,
  /** Totals are read again after this long, to see the uploads of other coordinators. */
  blobTotalsMilliseconds: 5_000,
  /** Counting a large table takes its time: it is done at most for one part in this many of the time. */
  blobTotalsShare: 200,
  /** How long an upload waits for a deletion of the same blob, or for a rival upload, to end. */
  blobRivalMilliseconds: 5_000,
  blobRivalPollMilliseconds: 50,
  /** A blob asked for is renewed at most this often, so that repeated questions cost no write. */
  blobRenewMilliseconds: 3_600_000,
  /** Blobs looked at in one run of the collector, and deleted in one transaction. */
  collectCandidates: 5_000,
  collectBatch: 100,
  /** A deletion that was begun and not finished is taken over after this long. */
  collectTakeoverMilliseconds: 10 * 60_000,
  /** Digests remembered as "not a folder manifest" between runs of the collector. */
  collectMemory: 200_000,

  /** Tokens remembered in memory; an entry is about 300 bytes. */
  tokenCacheEntries: 10_000,
  /** A revocation made by another coordinator is seen within this time. */
  tokenCacheMilliseconds: 4_000,
  secretsPerPrincipal: 1_000,
} as const;

export const DEPLOYMENT_LIMITS = {
  /** Deployments of one principal: each is looked at again and again. */
  deploymentsPerPrincipal: 100,
  /** Replicas of all of them: a look at 10,000 takes some 200 ms. */
  replicasPerPrincipal: 10_000,
  /** Revisions that can be returned to; older ones are forgotten, and so are their jobs in time. */
  revisions: 20,
  /** Revisions beyond that whose jobs are still ending; more are deploys in a loop. */
  endingRevisions: 10,
  /** How often deployments are looked at that are under way or have changed. */
  lookMilliseconds: 1000,
  /** Every so many looks all of them are looked at: a hint may get lost, and nodes change. */
  looksBetweenAll: 10,
  /** A new replica that has found no place for this long may take that of an old one. */
  placeMilliseconds: 5000,
  /** Failures in a row that tell that a revision cannot run, if no replica of it was ever available. */
  hopelessFailures: 3,
  /** Attempts kept of a replica of a living deployment, which may fail for ever; they go with their samples. */
  keptAttempts: 20,
  /** Events and log chunks kept of the job of a living deployment: 20,000 chunks of 16 KiB are 320 MB. */
  keptRecords: 20_000,
} as const;

/** Where tasks go. */
export const PLACEMENT_LIMITS = {
  /** Nodes with room that are compared for a class of tasks by its objectives; of more, others each time. It takes about a millisecond. */
  comparedNodes: 1_000,
  /** Kinds of tasks, and nodes, whose run times are remembered; some 100 bytes each. */
  runTimes: 50_000,
  /** What a task is expected to take of which nothing is known; it only matters beside others. */
  unknownRunMilliseconds: 60_000,
  /** Blobs of which is remembered which nodes have them. */
  placedBlobs: 20_000,
  /** Nodes remembered for one blob, the newest: more are not needed to find one. */
  nodesOfBlob: 64,
  /** Blobs whose sizes one turn looks up. */
  sizedBlobs: 256,
  /** Download rate of nodes, in bits a second, as long as none is measured: a common line at home. */
  assumedDownloadBitsPerSecond: 100_000_000,
  /** A node that has never fallen silent is expected to do so within such a time, a week; what it does counts beside. */
  firstLossMilliseconds: 604_800_000,
  /** Tasks of one plan, and nodes that it chooses from. */
  planTasks: 1_000,
  planNodes: 500,
  /** Kinds of tasks in one plan: each is counted by a query. */
  planClasses: 64,
  /** How long a thread that has just started looks for the best plan for nobody: until what does so is compiled. */
  warmUpMilliseconds: 100,
  /** How long the optimiser looks for a plan for tasks that wait; the first is there after some 20 ms. */
  planMilliseconds: 150,
  /** How long tasks are held at most for a plan: less than the wait that the dearest tier promises. */
  planHoldMilliseconds: 300,
  /** Tasks of one kind of objectives are held for a plan at most this often; what comes between is placed at once. */
  planEveryMilliseconds: 2_000,
  /** Kinds of objectives of which is remembered when they were planned. */
  planGroups: 1_000,
  /** Beyond the time it may take, the thread of the optimiser has hung. */
  planOverrunMilliseconds: 30_000,
  /** Plans that wait for the thread; each takes seconds at most. */
  waitingPlans: 8,
  planThreadIdleMilliseconds: 60_000,
  /** How long a front that somebody asks for is looked for, unless they say. */
  frontMilliseconds: 1_000,
  /** Nodes that are told of one point of a front. */
  toldNodes: 16,
  /** Blobs of a job by which its place is chosen; with more, the rest matters little. */
  choosingBlobs: 32,
  /** Running tasks that are looked at whether a move is worth it, and how many of them move at a time. */
  movableTasks: 200,
  movesPerLook: 8,
  /** How often that is looked at. */
  movesMilliseconds: 30_000,
  /** A task that began less than this ago stays: a move is not answered with another. */
  steadyMilliseconds: 60_000,
  /** What stopping a program and starting it elsewhere takes, besides the work since its checkpoint. */
  restartMilliseconds: 5_000,
  /** Round trips to a node: one that differs by less than this from what placement knows is no news. */
  roundTripChangeMilliseconds: 2,
  /** Each time that a node fell silent counts as so long away, for its reputation: a task on it is lost, and begins again. */
  silenceMilliseconds: 43_200_000,
  /** Round trips up to this one take nothing from the reputation of a node: a way around the world. */
  promptMilliseconds: 300,
  /** Prices within so many doublings are at the same risk, for the reputation of nodes: few indexes of nodes are kept. */
  valueClassesOfOrder: 4,
  /** Indexes of nodes, by runtime and what is at risk: each has an entry for each node. */
  offerIndexes: 16,
  /** Parts per million that the reputation of an owner has to rise by before its nodes are placed by that; a fall counts at once. */
  followedRisePpm: 5_000,
  /** How often reputations that other coordinators changed are looked at; falls are told at once. */
  reputationMilliseconds: 10_000,
} as const;

export const DISPATCH_LIMITS = {
  /** Leases of one turn: bounds how long a turn keeps the event loop and the database. */
  leasesPerTurn: 512,
  /** Places that a turn looks for at first; only if all are taken, it looks for the rest. */
  firstClaim: 16,
  /** Journal entries and log chunks of one turn, for the same reason. */
  reportsPerTurn: 1024,
  /** Classes tried in one turn; the rest waits for the next. */
  classesPerTurn: 64,
  /** Shortest time between two stored samples of an attempt; nodes measure every 10 s, and clocks differ a little. */
  sampleMilliseconds: 8_000,
  /** After so many samples of an attempt the time between two doubles: a month gives some 2,000. */
  samplesApart: 240,
  /** Samples that wait to be stored; more than all nodes send in a second is an attack. */
  waitingSamples: 20_000,
  /** Tasks inserted or ended by one transaction when a large job is spread out or closed. */
  jobStep: 5000,
  /** Blobs renewed within this time are not renewed again by a submit. */
  blobRenewedMilliseconds: 60_000,
  /** Declines after which a task counts as unwanted. */
  declines: 10,
  /** Pause after a decline, so that a node whose mind is made up is not asked in a loop. */
  declinePauseMilliseconds: 1000,
  /**
   * Leases of one task; a yield beyond it fails the task. One every two minutes for the seven days of timeouts.total: a
   * program that yields again and again costs no attempt that its author allowed, but each is a row.
   */
  leasesPerTask: 5000,
  /** A task whose attempt yielded sooner than this after its start waits for as long, so that none runs in a hot loop. */
  yieldPauseMilliseconds: 1000,
  /** From being told to leave to the report, without checkpoints: programs are killed, containers removed. */
  departureMilliseconds: 30_000,
  /** The longest grace of a program that is told to leave, whatever its specification says: somebody waits for its place. */
  departureGraceMilliseconds: 120_000,
  /** Room is kept for so long for those for whom it was made; they take it with the next claim. */
  holdMilliseconds: 5_000,
  /** Nothing is stopped for a class for so long that has not taken the room that was made for it. */
  futilePreemptionMilliseconds: 5 * 60_000,
  /** Spot attempts that one look stops, classes that it looks at, and nodes with spot work: bounds its time. */
  preemptionsPerLook: 64,
  preemptingClasses: 8,
  preemptionNodes: 512,
  /** The same with checkpoints, besides their grace: 3 GB over a line of 80 Mbit/s. Then it counts as lost. */
  lastCheckpointMilliseconds: 5 * 60_000,
  /** Pause before a replica that failed, or a task that its node could not run, is placed again; it doubles with each failure in a row up to the longest. */
  failurePauseMilliseconds: 1000,
  failureLongestPauseMilliseconds: 60_000,
  /** A replica that ran this long begins a new row of failures. */
  replicaSteadyMilliseconds: 600_000,
  /** Jobs that wait for others, in all: a sweep asks now and then whether they still have to. */
  waitingJobs: 10_000,
  /** Jobs that are looked at together when something was heard of them. */
  dependencyLooks: 500,
  /** Specifications kept in memory; the rest is read again when needed. */
  cachedJobs: 20_000,
  /** Agents of one coordinator; each costs about 15 kB and a file descriptor. */
  sessions: 20_000,
  /** An agent that does not introduce itself is cut. */
  helloMilliseconds: 10_000,
  /** Heartbeats that may be missing before a link counts as dead. */
  missedHeartbeats: 2.5,
  /** Frames waiting for an agent that does not read; beyond it the link is cut. */
  linkBufferBytes: 16 << 20,
  /** Unprocessed journal entries and log chunks in all; beyond it the agent that sends more is cut and resumes later. */
  waitingInputs: 200_000,
  /** How often due retries, deadlines and lost nodes are looked for. */
  sweepMilliseconds: 250,
  /** Rows that one sweep moves; the next goes on. */
  sweepRows: 1000,
  /** A coordinator that was not seen for this long is dead, and the nodes on its links are silent. */
  coordinatorSilenceMilliseconds: 30_000,
  /**
   * After the start of a coordinator agents get this long to come back before their silence counts: they try again after
   * 15 s at most, and thousands of them come at once.
   */
  reconnectMilliseconds: 30_000,
  /** Silence after which a node is shown as lost, whatever its jobs allow. */
  nodeLostMilliseconds: 60_000,
  /** On stop, each step that needs the database gets this long; what is left undone is done after the next start. */
  stopMilliseconds: 5000,
  /** A turn that failed is tried again after this pause. */
  retryMilliseconds: 250,
  /** A lease that is this old and was sent to nobody never will be. */
  unsentLeaseMilliseconds: 10_000,
  /**
   * A round of replicas waits so much longer than `timeouts.attempt` and `disconnect.lostAfter`: for what a node fetches
   * before it starts.
   */
  commitSlackMilliseconds: 10 * 60_000,
  /** From being asked for a result to having stored it, besides `disconnect.lostAfter`: 6 GB over a line of 80 Mbit/s. */
  revealMilliseconds: 10 * 60_000,
  /**
   * A node that has committed to a result and falls silent is blamed for withholding it after this long, or
   * `disconnect.lostAfter` where that is longer: the submitter does not decide how soon. It outlasts the restart of a
   * machine.
   */
  committedSilenceMilliseconds: 10 * 60_000,
  /**
   * Results that a node keeps until they are asked for; one with so many begins no verified task, and only takes replicas
   * of tasks that others have begun. It bounds what has begun and is not decided.
   */
  committedAttempts: 64,
  /**
   * A result that is committed to waits at most so long for another replica to find a place: then it is shown in a round
   * of its own, which gives its node room again.
   */
  roundPatienceMilliseconds: 5 * 60_000,
  /** No node may take a replica for so long: then the replicas there are decide, or a trusted node. */
  replicaPatienceMilliseconds: 30_000,
  /** No trusted node for so long: the task fails as inconclusive. An agent is started anew in less. */
  adjudicatorPatienceMilliseconds: 120_000,
  /**
   * From the moment at which a verified task wants a node to the first look whether any may take it, and between looks
   * while none may: most have found theirs by the first, and each look is a row to write.
   */
  placeLookMilliseconds: 10_000,
  /** Looks that lie further apart say nothing of the time between: the coordinator was not there. */
  placeLooksApartMilliseconds: 60_000,
  /** A placement class of replicas, of which each set of nodes makes one, goes when no queued task has it any more. */
  replicaClassMilliseconds: 10 * 60_000,
  /** A hidden run is kept so long after its end, for whoever looks into the database. */
  checkMilliseconds: 3_600_000,
  /** Of a run of a comparing script: as long as a trusted node is waited for, and as long as it may take. */
  comparisonTimeouts: { queue: '2m', attempt: '1m', total: '10m' },
  /** An output that is compared by tolerance; it is parsed on the event loop, in some 15 ms. */
  comparedBytes: 1 << 20,
  /** Known answers that one is drawn from: each is parsed. */
  drawnAnswers: 64,
  /** Finished jobs that the retention removes at a time. */
  retentionJobs: 100,
  /** How long one round of the retention, of which there is one a minute, removes jobs: more than can be submitted. */
  retentionMilliseconds: 20_000,
  /** Nodes among which one is chosen to be kept for a task without room: what runs on each is looked at. */
  keptNodeChoices: 256,
  /** Heads without room that are looked at in one turn: each costs a statement. */
  keptNodeLooks: 4,
  /** Choices that are remembered, and for how long since they last stood: they outlast a turn of another order. */
  keptNodes: 64,
  keptNodeMilliseconds: 60_000,
  /** Tenants, tiers and priorities of which is remembered when they were last served; the others count from their submits. */
  servedTenants: 10_000,
  /** Principals with a quota: all of them are kept in memory. */
  quotas: 10_000,
  /** How soon a quota that another coordinator has set holds here. */
  quotaMilliseconds: 2000,
  /** What a tier promises is settled for each period of this length. */
  servicePeriodMilliseconds: 3_600_000,
  /** A period is settled this long after its end: coordinators write what they have counted once a second. */
  serviceSettleMilliseconds: 60_000,
  /** Settlements, tenants and tiers, of one round; the next goes on. */
  serviceSettlements: 1000,
  /** A placement class that no submit has named for this long, and no task needs, is removed. */
  classUnusedMilliseconds: 2 * 86_400_000,
  /** How long a coordinator does not store again that it uses a class. */
  classConfirmedMilliseconds: 3_600_000,
} as const;

/** Money for work. */
export const SETTLEMENT_LIMITS = {
  /** Of a slice of bronze, before anything is known of a region: an hour of a processor is 0.012 FOG then. */
  firstPriceMicroFog: 1_000,
  /** No slice is posted for less, however little is used: from here the first price is 20 steps away, 200 s. */
  leastPriceMicroFog: 100,
  /** Prices move by an eighth at most: in ten minutes at full load to a thousandfold, in one to twice as much. */
  priceStepMilliseconds: 10_000,
  /** A job without a budget pays no more than this many times the posted price: its cover is reckoned by it. */
  dearestMultiple: 2,
  /** What is kept running is paid for in periods of so long: a slice, so that a period costs what a slice does. */
  periodMilliseconds: 300_000,
  /** How often is looked which replicas are healthy: one that is not for shorter is paid as if it had been. */
  replicaLookMilliseconds: 5_000,
  /** A look that finds nothing new is noted this often: what a crash leaves unpaid, of each replica, is no more. */
  replicaNoteMilliseconds: 15_000,
  /** Looks that lie further apart say nothing of the time between: no coordinator was there, and nobody is paid for it. */
  replicaLooksApartMilliseconds: 60_000,
  /** A node that was heard of this long ago is not known to run anything: coordinators note whom they hear every 5 s. */
  nodeHeardMilliseconds: 20_000,
  /** Cover is topped up for so many periods at once, an hour, where the owner has that much: a transfer an hour. */
  coveredPeriods: 12,
  /** A period ends early when so many leases have ended in it: replicas that fail in a loop make no more to be paid at once. */
  endedLeases: 10_000,
  /** What the faucet has for the services of one owner at a time, 10^9 FOG: more than an hour of all of them costs. */
  faucetMicroFog: 10n ** 15n,
  /** Escrows closed in one transaction. */
  closedEscrows: 200,
  /** How often a coordinator looks whether a price is due, and reads those that others have moved. */
  priceLookMilliseconds: 2_000,
  /** A price that was not moved for so long, six steps, is one of a region without nodes. */
  stalePriceMilliseconds: 60_000,
  /** Regions with a price of their own: nodes name them. */
  regions: 256,
} as const;

/** Governance. */
export const DAO_LIMITS = {
  /** How soon a parameter that another coordinator's vote has changed holds here. */
  parameterMilliseconds: 2_000,
  /** How often is looked for proposals whose time has come. */
  lookMilliseconds: 2_000,
  /** Proposals that one look moves on: each is a transaction. */
  dueProposals: 100,
  /** What was decided and could not be executed, such as a payment beyond the treasury, is tried again after so long. */
  retryMilliseconds: 60_000,
  /** Registered keys, and with them voters of a snapshot: its tree is hashed in half a second. As many ballots are taken. */
  votingKeys: 1 << 16,
  /** Stakes and delegations of one owner that are kept while a vote may ask about them; no delegation is taken beyond. */
  stakeChanges: 1_000,
  /** How often is removed what no vote asks about any more. */
  forgetMilliseconds: 600_000,
  /** A vote that opens while a ballot is on its way is opened first; more than once means that the clock leaps. */
  openings: 3,
} as const;

/** The ledger in the database. */
export const LEDGER_HOME_LIMITS = {
  /** Pending transfers that one transaction releases: it holds the ledger for some 20 ms. */
  expiriesPerBatch: 1_000,
  /** Rows are sealed within this time, as long as a coordinator runs: what is younger could be changed unnoticed. */
  sealedWithinMilliseconds: 1_000,
  /** How often is looked for what is to be sealed; two looks are within the time above, with the sealing itself. */
  sealMilliseconds: 400,
  /** Rows that are read and sealed at a time: some 20 MB. One batch may be larger. */
  sealedRows: 20_000,
  /** A coordinator that has sealed does it for so long; then another takes over. */
  sealerMilliseconds: 5_000,
  /** How often pending transfers are looked for whose time is over. */
  expiryMilliseconds: 1_000,
  /** Rows, or balances, of one page. */
  pageRows: 1_000,
} as const;

/** Published ports of services. */
export const PROXY_LIMITS = {
  /** Connections to ports in all; with their buffers each may hold some 256 KiB where nobody reads. */
  tunnels: 4_000,
  /** Of one principal: a few busy services, and not all there are. */
  tunnelsPerPrincipal: 1_000,
  /** From the question to the node until the connection stands: it dials two ends, maybe over a poor line. */
  openMilliseconds: 10_000,
  /** A connection on which nothing moves; the program or the client may be gone without a word. */
  idleMilliseconds: 10 * 60_000,
  /** How often TCP asks a silent peer whether it is there; shorter than routers remember a connection. */
  keepAliveMilliseconds: 30_000,
  /** How often the token of a long connection is checked again. */
  recheckMilliseconds: 15_000,
  /** Replicas tried for one connection; when so many refuse it, the next will as well. */
  connectTries: 3,
  /** Replicas of one job that are looked at. */
  replicas: 1_000,
  /** How long a job and its replicas are remembered: a burst of requests asks the database once. */
  cacheMilliseconds: 500,
  cachedJobs: 1_000,
} as const;
