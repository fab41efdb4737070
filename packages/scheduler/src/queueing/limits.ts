/** Every limit of queueing, with its reason. */

export const QUEUEING_LIMITS = {
  /** Tasks of one graph: its schedule takes some hundred bytes a task, its ranks one number a task and processor. */
  graphTasks: 100_000,
  /** Edges of one graph. */
  graphEdges: 1_000_000,
  /** Processors that a graph is placed on: each is tried for each task. */
  graphProcessors: 10_000,
  /** Tasks times processors of one graph: a run time and a cost for each, 8 bytes apiece. */
  graphCells: 1 << 24,
  /** Time of one task or transfer, in whatever unit: sums over the largest graph stay finite, and mostly exact. */
  graphTime: 2 ** 53,
  /** Names of a cycle that an error tells. */
  toldCycle: 32,
  /** Schedules that one search tries: some minutes for a graph of a hundred tasks. */
  graphEvaluations: 10_000_000,
  /** Tenants that share a cluster: a heap of them is built for each decision. */
  tenants: 100_000,
  /** Waits of one tier that a settlement looks at: sorted in some tens of milliseconds. */
  settledWaits: 1_000_000,
} as const;
