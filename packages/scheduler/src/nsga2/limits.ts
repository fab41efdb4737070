/** Every limit of the optimiser, with its reason. */

export const NSGA2_LIMITS = {
  /** Individuals of a population; selection sorts twice as many, bit by bit against each other from three objectives on. */
  population: 20_000,
  /** Objectives of a problem. With more, nearly all points are equally good, and dominance tells nothing. */
  objectives: 16,
  /** Size of a bound, an objective or a violation: differences and quotients of such numbers are finite. */
  variable: 1e100,
  objective: 1e100,
  /** Genes of an individual: jobs of one batch, or variables. */
  genes: 1_000_000,
  /** Genes of a population and its offspring together: 2 GiB as real numbers. */
  populationGenes: 1 << 28,
  /** Numbers that evaluation keeps for one individual, for all rows together: 2 GiB. */
  stateNumbers: 1 << 28,
  /** Nodes of an assignment: the coins of a group crossover are tossed for each. */
  nodes: 1_000_000,
  /** Generations of one run. With the largest population each pair still has a stream of random numbers of its own. */
  generations: 400_000,
  /** Points that are sorted or measured at a time: each is compared with each, 32 in one step. */
  points: 200_000,
  /** Bytes of the table of who dominates whom; larger sets are worked through in parts of this size. */
  dominanceTableBytes: 8 << 20,
  /** Points of a hypervolume from four objectives on: its time grows with a power of their number. */
  hypervolumePoints: 4096,
  /** Threads of one run; more than the largest machines have processors is a mistake. */
  workers: 256,
  /** A run gives way to other work so often, so that a signal to stop it is heard. */
  giveWayMilliseconds: 10,
} as const;
