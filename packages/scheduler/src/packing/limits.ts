/** Every limit of packing, with its reason. */

export const PACKING_LIMITS = {
  /** Nodes of one cluster: each is looked at for each task, some 0.2 ms at this number. */
  clusterNodes: 100_000,
  /** GPUs of one node; the largest machines sold have 16. Each takes four bytes, whether it is there or not. */
  gpusPerNode: 16,
  /** Different models of GPUs in one cluster, and models that one task accepts. */
  gpuModels: 32,
  /** Milli-cores of one node or task: sums over a cluster stay exact in 64-bit floats. */
  cpuMilli: 1e9,
  /** Mebibytes of memory of one node or task; 64 TiB. */
  memoryMebibytes: 1 << 26,
  /** Scores that a placer keeps, 12 bytes each: 48 MiB. Shapes take the rows of the table in turns. */
  keptScores: 1 << 22,
  /** Shapes of one workload profile: each is looked at whenever a node changes. */
  profileShapes: 4096,
} as const;
