/** Every limit of placement, with its reason. */

export const PLACEMENT_LIMITS = {
  /** Nodes that are placed on at a time: a router holds some 300 bytes of each, besides what it is told. */
  nodes: 100_000,
  /** Tasks of one batch. Sums of their values stay exact numbers. */
  batchTasks: 10_000,
  /** Tasks times nodes of one batch: each pair takes 8 bytes for each objective and three times more, 224 MiB with four. */
  batchPairs: 4_000_000,
  /** Objectives at a time: with more, nearly every placement is as good as every other. */
  objectives: 4,
  /** Tasks that a router remembers as placed, until they are released. */
  routedTasks: 1_000_000,
  /** Kinds of tasks whose suitable nodes a router remembers; the one used longest ago makes room. */
  routedClasses: 256,
  /** Amount of a resource: sums over a node's tasks stay exact. */
  resourceAmount: 2 ** 50,
  /** Named resources besides processors and memory. */
  otherResources: 16,
  /** Longest time of any kind, some 35 years: times are added up without loss. */
  milliseconds: 2 ** 40,
  /** Bytes of one input. */
  inputBytes: 2 ** 50,
  /** Entries of one list of a task or node: inputs, regions, features, exclusions, points of a forecast. */
  listEntries: 4096,
  /** Characters of an id or name. */
  nameCharacters: 512,
  /** Of the price that a node asks, what the dearest tier pays: a hundred times. */
  priceMultiple: 100,
  /** Power of one node: a rack has less. */
  watts: 1_000_000,
  /** Speed of a node, as a multiple of the node that run times are given for. */
  speed: 10_000,
  /** Bits a second of a node's link. */
  bitsPerSecond: 1e13,
  /** Deviations that a run is taken to be longer than expected when its deadline is looked at: 19 of 20 are not. */
  deadlineDeviations: 1.645,
  /** A node whose results are all wrong counts as fuller by this, for `balanced`: as a last resort behind full ones of good reputation. */
  doubtLoad: 2,
  /** Nodes with room that the first plan compares for each task: enough to choose from, and it is there at once. */
  firstPlanNodes: 8,
  /** Weightings whose best placements a batch begins with: evenly spread, and found in a fraction of a second. */
  batchWeightings: 100,
  /** Times that a batch's best placements are taken apart and filled anew: on small batches later ones hardly find anything. */
  rebuildings: 12_000,
  /** Pairs and tasks that are looked at on the way, some 20 milliseconds: large batches are left to the optimiser. */
  rebuildingSteps: 2_000_000,
  /** Nodes that the optimiser moves a task to: the best by each objective. Repair takes others where these are full. */
  shortlist: 24,
  /** A task without a node weighs as much as a deadline that is missed by this, some five weeks: it is the worst of all. */
  leftMilliseconds: 3_000_000_000,
  /** Generations after which the search begins anew from the best of all: later ones stray from them. */
  episodeGenerations: 20,
  /** A batch no longer gets better when its hypervolume has grown by less than this share in such a time. */
  convergenceShare: 0.0005,
  /** So many times in a row before the search ends: chance may find nothing once, and something the next time. */
  idleEpisodes: 3,
  /** Placements that a search keeps; each takes 4 bytes for each task. */
  archivedPlacements: 1000,
  /** Placements of a front that a batch ends with, each with a node for every task. */
  frontPoints: 300,
  /** Points of a front that is drawn. */
  drawnPoints: 10_000,
} as const;
