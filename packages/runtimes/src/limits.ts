/** Every limit of the runtimes, with its reason. Sizes in bytes, times in milliseconds. */

export const CHILD_LIMITS = {
  /** One frame between a child process and this one; larger contents travel in several. Bounds what is buffered. */
  frameBytes: 1 << 20,
  /** Contents are cut into frames of this size: a pipe holds 64 to 208 KiB, so more would only be copied twice. */
  contentFrameBytes: 64 * 1024,
  /** What a child wrote to its own stderr, kept to tell why it died. */
  diagnosticBytes: 8192,
  /** A child that is not ready by then is broken; a loaded single-board computer needs some seconds. */
  readyMilliseconds: 30_000,
  /** Children in a row that died before they were ready; then waiting attempts fail instead of spawning for ever. */
  failuresInARow: 3,
} as const;

export const WASM_LIMITS = {
  /** CPython with its library has 26 MB; V8 itself refuses more than 1 GiB. */
  moduleBytes: 256 << 20,
  /** Reading, checking and compiling, before the job's own code starts and its own limit counts. */
  prepareMilliseconds: 60_000,
  /** From the end of the run to the last byte of the outputs: 2 GiB at 20 MB/s of a slow memory card. */
  deliverMilliseconds: 120_000,
  /** 65,536 pages: the most that a 32-bit memory can have. */
  memoryBytes: 2 ** 32,
  /** The file system is in memory; this is what a node may be asked to hold for one attempt. */
  diskBytes: 2 ** 31,
  /** Open descriptors of one attempt; what Linux gives a process by default. */
  descriptors: 1024,
  /** Levels of folders: lookups are recursive over them. */
  pathDepth: 256,
  /** One name in a folder, in bytes of UTF-8, as in Linux. */
  nameBytes: 255,
  /** One path given by the guest, in bytes of UTF-8, as in Linux. */
  pathBytes: 4096,
  /** Buffers of one scattered read or write; IOV_MAX in Linux. */
  vectors: 1024,
  /** Subscriptions of one poll; keeps one call short. */
  subscriptions: 4096,
  /** Compiled modules kept warm in a child, by their sizes as files; one module is always kept. */
  cachedModuleBytes: 64 << 20,
  cachedModules: 32,
  /** Attempts before a child is replaced: bounds what leaks and what fragments. */
  attemptsPerChild: 1000,
  /** Resident memory of an idle child above which it is replaced. CPython compiled takes about 150 MiB. */
  idleResidentBytes: 384 << 20,
  /** Memory plus files of one attempt from which the child collects garbage at its end: some milliseconds. */
  collectGarbageBytes: 16 << 20,
  /** JavaScript heap of a child. The guest's memory and files lie outside; tables and code metadata lie inside. */
  heapMebibytes: 256,
  /** Stack of a child. Main threads have 8 MiB on Linux and macOS; deep recursion of CPython needs 2 MiB and more. */
  stackKibibytes: 3936,
  /** A path inside an output, in bytes of UTF-8: what a folder manifest holds. */
  outputPathBytes: 1024,
  /** Output files up to this size come back in memory; larger ones lie in the scratch folder. */
  inlineOutputBytes: 1 << 20,
} as const;

export const JAVASCRIPT_LIMITS = {
  /** A bundled program with its libraries; the parser and QuickJS read it as a whole. */
  scriptBytes: 16 << 20,
  /** The result is kept in memory until it is stored; a job whose resources.disk is larger is refused. */
  resultBytes: 256 << 20,
  /** Reading and parsing, before the script's own code starts and its own limit counts. */
  prepareMilliseconds: 30_000,
  /** Heap that Node and the realm take before the script does: 9 MiB after start, with room to collect garbage. */
  ownHeapMebibytes: 16,
  /** Resident memory beyond the job's own: young generation, compiled code, what waits for garbage collection. */
  residentSlackBytes: 48 << 20,
  /** A script that touches memory as fast as it can takes some 80 MiB in this time; a look costs 0.03 ms. */
  memoryPollMilliseconds: 20,
  /** A warm process is 45 MiB; more spares than this would only wait. */
  spareChildren: 4,
  /** Attempts before a process is replaced: bounds what leaks and what fragments. */
  attemptsPerChild: 200,
  /** Resident memory of an idle process above which it is replaced; a fresh one has 45 MiB. */
  idleResidentBytes: 192 << 20,
  /** JavaScript heap of a QuickJS process: what it reads of files and what waits to be sent. The engine lies outside. */
  quickjsHeapMebibytes: 512,
  /** Stack of the engine inside wasm, as deep as QuickJS itself allows: some 2,500 calls. */
  quickjsStackBytes: 400 * 1024,
  /** Stack of a QuickJS process: what the engine's stack needs outside wasm. Main threads have 8 MiB. */
  stackKibibytes: 3936,
  /** A progress message, in UTF-16 code units. */
  messageBytes: 4096,
} as const;

export const KUBERNETES_LIMITS = {
  /** Kubernetes 1.26: podFailurePolicy is on, and everything else that a manifest of ours says is stable. */
  oldestMinorVersion: 26,
  /** Kubernetes 1.32: before it a log request that names one of two streams was answered with both. */
  streamsMinorVersion: 32,
  /** A kubeconfig, certificate or token file; those of large companies have some 100 KiB. */
  configBytes: 1 << 20,
  /** A token file is read again after this long: clusters renew theirs minutes before it expires. */
  tokenMilliseconds: 60_000,
  /** To the head of an answer, and for a short one to its end; the server itself gives up after 60 s. */
  requestMilliseconds: 15_000,
  /** Tries of one request; with the pauses below they outlast the restart of one API server of several. */
  requestTries: 6,
  retryFirstMilliseconds: 200,
  retryMostMilliseconds: 5_000,
  /** One answer: a page of a list, with pods of some 20 KiB each. */
  answerBytes: 16 << 20,
  /** Objects of one page of a list. */
  listPage: 250,
  /** One event of a watch: an object in etcd has at most 1.5 MiB. */
  watchLineBytes: 4 << 20,
  /** The server is asked to end a watch after this long; one that is silent for longer is dead. */
  watchMilliseconds: 60_000,
  watchSilenceMilliseconds: 90_000,
  /** Connections of logs and watches wait this long before they are opened again, as often as they break. */
  reopenMilliseconds: 500,
  /** One Secret: what Kubernetes allows. An input is one entry of one, so it has no more either. */
  secretBytes: 1 << 20,
  /** Inputs of an attempt: they pass through etcd, which has 2 to 8 GiB in all, and lie in memory of the node. */
  inputBytes: 8 << 20,
  inputFiles: 100,
  /** Name of an environment variable: the longest key of a Secret. */
  variableNameBytes: 253,
  /** Standard output taken as an output: below the 10 MiB at which a kubelet begins another log file. */
  outputBytes: 8 << 20,
  /** Log files count as disk of the pod: a kubelet keeps five of 10 MiB, with time stamps. */
  logSlackBytes: 64 << 20,
  /** No pod appears for the Job: then its events tell why, and nothing will change by itself. */
  podMilliseconds: 30_000,
  /** No room in the cluster. The lease is better given to another node; an autoscaler needs two to four minutes. */
  unschedulableMilliseconds: 300_000,
  /** Failed pulls in a row; a kubelet tries again after 10, 20, 40 and 80 s. */
  pullMilliseconds: 180_000,
  /** Any other trouble of a container that the kubelet tries again. */
  troubleMilliseconds: 60_000,
  /** From the pod to its first program, pull included: an image of 10 GiB at 20 MB/s. */
  pendingMilliseconds: 600_000,
  /** Patience is looked at this often. */
  patienceMilliseconds: 1_000,
  /** Added to the deadline in the cluster, which is only for an agent that is gone: ours comes first. */
  deadlineGraceMilliseconds: 60_000,
  /** A finished Job waits this long for an agent that is restarted. */
  ttlSeconds: 3_600,
  /** From SIGTERM to SIGKILL when a Job is deleted; 0 would remove the pod before its processes are gone. */
  terminationSeconds: 1,
  /** A pod that is gone may have been removed for its deadline: the Job says so soon. */
  settleMilliseconds: 3_000,
  /** The end of a log may come later than the end of the program. */
  logDrainMilliseconds: 10_000,
  /** How often the place in the log is written down, and so what an adopted attempt may tell again. */
  positionMilliseconds: 500,
  /** How long an outcome waits for the answer to the deletion of its Job. */
  killConfirmationMilliseconds: 50,
  /** A Job of the same name, left by a dead agent, has to be gone by then. */
  replaceMilliseconds: 15_000,
  /** Longest answer about usage: it is asked for again and again. */
  sampleMilliseconds: 2_000,
} as const;

/** Copies of /checkpoint. */
export const CHECKPOINT_LIMITS = {
  /** Read and written at a time; the program stands still meanwhile. */
  copyBytes: 1 << 20,
} as const;

export const DOCKER_LIMITS = {
  /** Connections for short calls; the engine serialises much of them anyway. */
  engineConnections: 8,
  /** A start on a loaded single-board computer takes some seconds; only a hung engine takes longer than this. */
  engineAnswerMilliseconds: 60_000,
  /** An answer to a short call, such as a list of containers or an inspection. */
  engineAnswerBytes: 16 << 20,
  /** How long an engine that went away may take to come back before what ran in it counts as lost. */
  engineReturnMilliseconds: 30_000,
  /** Between two tries to reach an engine that went away. */
  engineRetryMilliseconds: 200,
  /** A pull that shows no progress for so long has broken off. */
  pullStallMilliseconds: 120_000,
  /** One line of an engine's report on a pull. */
  pullLineBytes: 64 * 1024,
  /** How long an outcome waits for the confirmation that a killed container is gone: kill() promises 100 ms. */
  killConfirmationMilliseconds: 70,
  /** From the end of the container to the last byte of its output, which lies in the engine already. */
  outputDrainMilliseconds: 30_000,
  /** Between two measurements of what a container has written; a disk writes some 100 MB meanwhile. */
  diskPollMilliseconds: 100,
  /** A walk may take this share of the time at most: 1/10. */
  diskPollShare: 10,
  /** Open descriptors of a container looked at in one measurement: some 3 µs each. */
  descriptorsLookedAt: 20_000,
  /** Between two looks at the memory and time of a container: each costs the engine some 5 ms. */
  usagePollMilliseconds: 2000,
  /** Levels of folders that are measured and collected. */
  pathDepth: 256,
  /** A path inside an output, in bytes of UTF-8: what a folder manifest holds. */
  outputPathBytes: 1024,
  /** Output files up to this size come back in memory; larger ones lie in the scratch folder. */
  inlineOutputBytes: 1 << 20,
  /** Inputs that are mounted one by one, beside what the image has in the same folder; more are mounted by folders. */
  singleInputMounts: 32,
  /** Output of a command run by exec(), as its interface says. */
  execOutputBytes: 4096,
  /** Between two looks for the engine's word that a container was killed for its memory, after its end. */
  oomWordMilliseconds: 50,
  /** Docker itself refuses less. */
  leastMemoryBytes: 6 << 20,
  /** How long close() waits for the removal of what it has killed. */
  closeMilliseconds: 10_000,
} as const;

/** The forwarder in a sandbox and the agent's end of it. */
export const NETWORK_LIMITS = {
  /** A static program of one file; a single-board computer needs some seconds. */
  compileMilliseconds: 60_000,
  /** Connections of one sandbox at a time: twice what its forwarder relays, since the program may dial by itself. */
  connections: 256,
  /** A connection from a sandbox says at once what it is. */
  openingMilliseconds: 5000,
  /** Connecting to an origin, or to a port of the sandbox. */
  connectMilliseconds: 10_000,
  /** Control frames that a sandbox has not answered; health checks and proxied connections of one attempt. */
  waitingAnswers: 64,
  /** Words of a command with their ends; the forwarder takes no longer frame. */
  commandBytes: 65_536,
  commandWords: 1024,
  /** What is kept of the output of a command in a sandbox. */
  commandOutputBytes: 4096,
  /** Headers of a proxied request, as many as Node's own servers take. */
  headerBytes: 16_384,
  headerMilliseconds: 30_000,
  /** A proxied connection on which nothing moves; longer than the keep-alive of common servers. */
  idleMilliseconds: 300_000,
} as const;

/** Archives of root file systems that jobs bring along. */
export const ARCHIVE_LIMITS = {
  /** An archive without its compression, headers included: a distribution with a desktop and a compiler. */
  bytes: 4 * 2 ** 30,
  /** Entries of one archive, and folders that it implies; a distribution with a desktop has some 150,000. */
  entries: 200_000,
  /** Names and targets of links of all entries together: they are in memory while an archive is unpacked. */
  namesBytes: 32 << 20,
  /** One header of pax or GNU: a path, a target and some attributes. Each is copied and searched. */
  headerBytes: 16_384,
  /** One name in a folder, in bytes of UTF-8, as in Linux. */
  nameBytes: 255,
  /** One path from the root, in bytes of UTF-8: what a specification can name of it. */
  pathBytes: 1024,
  /** Levels of folders: each costs a lookup, and those who measure or remove a tree a descriptor. */
  pathDepth: 128,
  /** The target of a symbolic link, in bytes of UTF-8, as in Linux. */
  targetBytes: 4095,
  /** What an entry counts beside its bytes: a block and an inode, so that empty files cannot fill a disk either. */
  entryBytes: 4096,
  /** Compressed bytes read at a time. */
  readBytes: 64 * 1024,
  /** Characters of a name that a message repeats. */
  shownCharacters: 120,
} as const;

/** Native programs under bubblewrap. */
export const PROCESS_LIMITS = {
  /** bubblewrap and the program's own libraries; less would fail in confusing ways. */
  leastMemoryBytes: 4 << 20,
  /** Folders, links, mounts and processes, before the program runs; a loaded machine with thousands of inputs. */
  prepareMilliseconds: 60_000,
  /** Descriptors of one process; what a server with some hundred connections needs. */
  openFiles: 4096,
  /** /dev/shm of one attempt, unless its memory is smaller: what parallel libraries exchange between processes. */
  sharedMemoryBytes: 64 << 20,
  /** How often an attempt is looked at: disk, files, processes killed for memory. A disk of 1 GB/s writes 100 MB. */
  watchMilliseconds: 100,
  /** The same where no control group holds the memory; a look at a few processes costs 0.2 ms. */
  watchMemoryMilliseconds: 25,
  /** Watching takes at most one part in this many of the agent's time, however large a tree is. */
  watchShare: 5,
  /** Processes and descriptors looked at in one go; both are bounded by the limits of an attempt, too. */
  watchedProcesses: 10_000,
  watchedDescriptors: 4096,
  /** Processes of ours in a sandbox: bubblewrap's first one, the forwarder and the commands that it runs. */
  ownProcesses: 10,
  /** Entries that are mounted one by one, since the job has something in their folder. bubblewrap takes 9,000 arguments. */
  viewEntries: 2048,
  /** Folders in folders: each level holds a descriptor of the agent while it is walked. */
  folderDepth: 128,
  /** What the launcher writes when it fails, kept to tell why. */
  diagnosticBytes: 4096,
  /** What bubblewrap tells about an attempt, some 200 bytes. */
  statusBytes: 65_536,
  /** Freezing waits for processes that are in the kernel; a disk may take this long. */
  freezeMilliseconds: 3000,
  /** A control group of version 1 that is not frozen by then is thawed and frozen again. */
  freezeAgainMilliseconds: 100,
  /** From SIGKILL until all processes are gone, in the time that a kill may take. */
  killMilliseconds: 50,
  /** The same when nobody waits: processes in the kernel, groups that are still emptied. */
  cleanUpMilliseconds: 5000,
  /** A path inside an output, in bytes of UTF-8: what a folder manifest holds. */
  outputPathBytes: 1024,
  /** Output files up to this size come back in memory, as long as they have no more than this together. */
  inlineOutputBytes: 1 << 20,
  inlineOutputsBytes: 64 << 20,
  /** Folders and links that the sandbox itself puts beside the job's own files. */
  ownFiles: 32,
} as const;
