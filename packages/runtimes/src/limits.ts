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
  /** Memory plus files of one attempt from which the child collects garbage before it is leased again. */
  collectGarbageBytes: 16 << 20,
  /** JavaScript heap of a child. The guest's memory and files lie outside; tables and code metadata lie inside. */
  heapMebibytes: 256,
  /** Stack of a child. Main threads have 8 MiB on Linux and macOS; deep recursion of CPython needs 2 MiB and more. */
  stackKibibytes: 3936,
  /** Output files up to this size come back in memory; larger ones lie in the scratch folder. */
  inlineOutputBytes: 1 << 20,
} as const;
