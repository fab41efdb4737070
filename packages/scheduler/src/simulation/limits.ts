/** Every limit of the simulator and its readers, with its reason. */

export const SIMULATION_LIMITS = {
  /** Characters of a workload log: the largest public ones have some two million jobs, 200 MB of text. */
  swfCharacters: 1 << 28,
  /** Jobs of a workload log: twice as many as in the largest public ones. */
  swfJobs: 1 << 22,
  /** Jobs of one simulation: the queue is put in order anew at each event. Longer logs are cut by a window. */
  simulatedJobs: 200_000,
  /** Processors of a simulated machine: more than any has, and sums of processor-seconds stay exact. */
  processors: 1 << 26,
  /** Policies compared in one simulation: each is a run of its own. */
  policies: 64,
  /** Load of a log, in parts of what the machine can do: beyond it the queue only grows. */
  loadRatio: 10,
  /** Bound on the wait of an aging policy: ten years, longer than any log. */
  agingBoundSeconds: 315_360_000,
} as const;
