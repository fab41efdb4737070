/** Limits of a whole run of the tests. */
export const SUITE_LIMITS = {
  /** One test. The longest takes half a minute, and thrice that on a machine that does something else as well. */
  testMilliseconds: 120_000,
  /** One process. A test that does not end is told by its own limit first, where the process still can. */
  processMilliseconds: 170_000,
  /** Between the request to end and the signal that none can refuse. */
  endMilliseconds: 2000,
  /** What a process that is gone has said may still be on its way, unless something that it started holds the pipe. */
  drainMilliseconds: 1000,
  /** What is kept of what one process says. */
  outputCharacters: 4 << 20,
  /** Free memory in the file system of the temporary folder; a whole run takes a few hundred megabytes at a time. */
  fastFolderBytes: 4 * 2 ** 30,
} as const;
