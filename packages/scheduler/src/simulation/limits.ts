/** Every limit of the simulator's readers, with its reason. */

export const SIMULATION_LIMITS = {
  /** Characters of a workload log: the largest public ones have some two million jobs, 200 MB of text. */
  swfCharacters: 1 << 28,
  /** Jobs of a workload log: twice as many as in the largest public ones. */
  swfJobs: 1 << 22,
} as const;
