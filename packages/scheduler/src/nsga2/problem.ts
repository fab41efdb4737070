/**
 * What the optimiser is asked to solve. Objectives are minimised; a maximised one is passed with its sign turned.
 *
 * Individuals lie one after the other in flat arrays, and a hook is told where its own begins. Hooks keep no references
 * to these arrays, and give the same answer whenever they are asked the same: the optimiser repeats what a seed gave only
 * if they do.
 */
import type { RandomNumbers } from '../random-numbers.ts';

interface AnyProblem {
  /** How many numbers an evaluation gives; at most `NSGA2_LIMITS.objectives`. */
  readonly objectives: number;
}

/** Variables are real numbers between bounds. */
export interface RealProblem extends AnyProblem {
  readonly encoding: 'real';
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  /** Individuals that the first population begins with. */
  readonly seeds?: readonly Float64Array[];
  /**
   * Writes the objectives of the variables from `genesAt` on to `objectives`, from `objectivesAt` on. Returns the
   * constraint violation: 0 when all are met, otherwise a positive number that says how badly they are broken.
   */
  evaluate(genes: Float64Array, genesAt: number, objectives: Float64Array, objectivesAt: number): number;
}

/** Each of `jobs` jobs is on one of `nodes` nodes: gene number `job` is the node. */
export interface AssignmentProblem extends AnyProblem {
  readonly encoding: 'assignment';
  readonly jobs: number;
  readonly nodes: number;
  /** Nodes that a job may be on, ascending, at least one; without it all of them. Asked once for each job. */
  candidates?(job: number): Int32Array;
  /** What heuristics propose. Each is an individual of the first population; most of its others are variants of them. */
  readonly seeds?: readonly Int32Array[];
  /** How many numbers of its own evaluation keeps for each individual, for `evaluateChange`; without it none. */
  readonly stateNumbers?: number;
  /** As of `RealProblem`; the numbers from `stateAt` on of `state` are the individual's own to write. */
  evaluate(
    genes: Int32Array,
    genesAt: number,
    objectives: Float64Array,
    objectivesAt: number,
    state: Float64Array,
    stateAt: number,
  ): number;
  /** The same answer as `evaluate`, from that for a parent and what differs; asked when few jobs have moved. */
  evaluateChange?(change: AssignmentChange): number;
  /** Mends an individual that variation made, e.g. so that no node holds more than it can. Takes its chances from `random`. */
  repair?(genes: Int32Array, genesAt: number, random: RandomNumbers): void;
}

/** How an individual differs from one that has been evaluated. The same object is passed each time. */
export interface AssignmentChange {
  /** Of all individuals; the parent's begin at `parentGenesAt`. */
  genes: Int32Array;
  genesAt: number;
  parentGenesAt: number;
  /** Jobs whose node differs, ascending: the first `jobCount` entries. */
  jobs: Int32Array;
  jobCount: number;
  /** The parent's objectives are at `parentObjectivesAt`, and its violation in `parentViolation`. */
  objectives: Float64Array;
  objectivesAt: number;
  parentObjectivesAt: number;
  parentViolation: number;
  /** From `stateAt` on stands a copy of the parent's numbers, to be brought up to date. */
  state: Float64Array;
  stateAt: number;
}

export type Problem = RealProblem | AssignmentProblem;

/** Numbers of one individual. */
export function genesOf(problem: Problem): number {
  return problem.encoding === 'real' ? problem.lower.length : problem.jobs;
}
