/** How the optimiser works, checked and completed. */
import { FogError } from '@fog/contract';
import { assertNumber, assertWholeNumber } from './checked-input.ts';
import { CROWDING_VARIANTS, type CrowdingVariant } from './crowding.ts';
import { NSGA2_LIMITS } from './limits.ts';
import { genesOf, type Problem } from './problem.ts';
import { TRUNCATIONS, type Truncation } from './selection.ts';

export interface Nsga2Settings {
  /** The same seed gives the same bytes; a whole number below 2^32. */
  seed: number;
  /** Individuals; an even number, since parents come in pairs. 100 without it. */
  population?: number;
  crowding?: CrowdingVariant;
  truncation?: Truncation;
  /** That two parents mix at all; else, their children are copies, which mutation changes. 0.9 without it. */
  crossoverProbability?: number;
  /** Of each gene: that it changes (real), or that its job moves, if jobs are moved (assignment). 1 / genes without it. */
  mutationProbability?: number;
  /** Of real variables: how near children are to their parents. 20 without them. */
  crossoverIndex?: number;
  mutationIndex?: number;
  /** Of assignments: that jobs are moved, that two are swapped, that a node is cleared. 0.6, 0.3 and 0.1 without them. */
  moveProbability?: number;
  swapProbability?: number;
  evictProbability?: number;
  /** Of assignments with seeds: the share of the other first individuals that are variants of them. 0.5 without it. */
  seededShare?: number;
}

export type CompleteSettings = Required<Nsga2Settings>;

/** Throws a `FogError` (`invalid-configuration`, or `invalid-request` for the problem) for what makes no sense. */
export function completeSettings(problem: Problem, settings: Nsga2Settings): CompleteSettings {
  checkProblem(problem);
  const complete: CompleteSettings = {
    population: 100,
    crowding: 'distinct-mean',
    truncation: 'one-by-one',
    crossoverProbability: 0.9,
    mutationProbability: 1 / genesOf(problem),
    crossoverIndex: 20,
    mutationIndex: 20,
    moveProbability: 0.6,
    swapProbability: 0.3,
    evictProbability: 0.1,
    seededShare: 0.5,
    ...settings,
  };
  assertWholeNumber('seed', complete.seed, 0, 2 ** 32 - 1);
  assertWholeNumber('population', complete.population, 2, NSGA2_LIMITS.population);
  if (complete.population % 2 !== 0) {
    throw new FogError('invalid-configuration', `population is ${complete.population}, and must be even`, {
      hint: 'parents come in pairs: take one more',
    });
  }
  assertWholeNumber(
    'population times genes',
    2 * complete.population * genesOf(problem),
    1,
    NSGA2_LIMITS.populationGenes,
  );
  assertWholeNumber('population times state', 2 * complete.population * stateOf(problem), 0, NSGA2_LIMITS.stateNumbers);
  for (const name of PROBABILITIES) assertNumber(name, complete[name], 0, 1);
  for (const name of ['crossoverIndex', 'mutationIndex'] as const) assertNumber(name, complete[name], 0, 1000);
  assertOneOf('crowding', complete.crowding, CROWDING_VARIANTS);
  assertOneOf('truncation', complete.truncation, TRUNCATIONS);
  return complete;
}

const PROBABILITIES = [
  'crossoverProbability',
  'mutationProbability',
  'moveProbability',
  'swapProbability',
  'evictProbability',
  'seededShare',
] as const;

/** How many numbers of its own a problem's evaluation keeps for each individual. */
export function stateOf(problem: Problem): number {
  return problem.encoding === 'assignment' ? (problem.stateNumbers ?? 0) : 0;
}

function checkProblem(problem: Problem): void {
  assertWholeNumber('objectives', problem.objectives, 1, NSGA2_LIMITS.objectives);
  if (problem.encoding === 'assignment') {
    assertWholeNumber('jobs', problem.jobs, 1, NSGA2_LIMITS.genes);
    assertWholeNumber('nodes', problem.nodes, 1, NSGA2_LIMITS.nodes);
    assertWholeNumber('stateNumbers', stateOf(problem), 0, NSGA2_LIMITS.stateNumbers);
    problem.seeds?.forEach((seed, index) => {
      assertSeedLength(index, seed.length, problem.jobs);
      for (const node of seed) assertWholeNumber(`a node of seed ${index}`, node, 0, problem.nodes - 1);
    });
    return;
  }
  const { lower, upper, seeds } = problem;
  assertWholeNumber('variables', lower.length, 1, NSGA2_LIMITS.genes);
  assertWholeNumber('upper bounds', upper.length, lower.length, lower.length);
  lower.forEach((low, gene) => {
    assertNumber(`lower bound ${gene}`, low, -NSGA2_LIMITS.variable, NSGA2_LIMITS.variable);
    assertNumber(`upper bound ${gene}`, upper[gene] as number, low, NSGA2_LIMITS.variable);
  });
  seeds?.forEach((seed, index) => {
    assertSeedLength(index, seed.length, lower.length);
    seed.forEach((value, gene) => {
      assertNumber(`variable ${gene} of seed ${index}`, value, lower[gene] as number, upper[gene] as number);
    });
  });
}

function assertSeedLength(index: number, length: number, genes: number): void {
  assertWholeNumber(`length of seed ${index}`, length, genes, genes);
}

function assertOneOf(name: string, value: string, known: readonly string[]): void {
  if (known.includes(value)) return;
  throw new FogError('invalid-configuration', `${name} is "${value}", and must be one of ${known.join(', ')}`);
}
