/** A multi-objective optimiser (NSGA-II) and what tells how good its results are. Pure and seeded; usable alone. */
export {
  type Candidates,
  everyNode,
  evictNode,
  groupCrossover,
  listedNodes,
  moveJobs,
  swapJobs,
} from './assignment-operators.ts';
export { CROWDING_VARIANTS, type CrowdingVariant, crowdingDistances } from './crowding.ts';
export {
  generationalDistance,
  invertedGenerationalDistance,
  invertedGenerationalDistancePlus,
} from './distance-indicators.ts';
export { constrainedDominates, dominates, idealPoint, nadirPoint, nondominatedRanks } from './dominance.ts';
export { exclusiveContribution, exclusiveContributions, hypervolume, leastContributor } from './hypervolume.ts';
export { NSGA2_LIMITS } from './limits.ts';
export { NondominatedSorter } from './nondominated-sort.ts';
export { type Front, Nsga2 } from './nsga2.ts';
export {
  type AssignmentChange,
  type AssignmentProblem,
  genesOf,
  type Problem,
  type RealProblem,
} from './problem.ts';
export { type ProblemSize, STANDARD_PROBLEMS, standardProblem } from './problems/standard-problems.ts';
export { polynomialMutation, type RealBounds, simulatedBinaryCrossover } from './real-operators.ts';
export {
  type Budget,
  type Outcome,
  optimise,
  type Progress,
  type RunOptions,
  type RunRecord,
  type SlotWorkers,
  STOP_REASONS,
  type StopReason,
} from './run.ts';
export { Selection, TRUNCATIONS, type Truncation } from './selection.ts';
export type { CompleteSettings, Nsga2Settings } from './settings.ts';
