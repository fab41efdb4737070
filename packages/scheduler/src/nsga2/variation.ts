/** One individual or pair at a time: made, varied, evaluated. What differs between the encodings is behind one interface. */
import { FogError } from '@fog/contract';
import type { RandomNumbers } from '../random-numbers.ts';
import {
  type Candidates,
  everyNode,
  evictNode,
  groupCrossover,
  listedNodes,
  moveJobs,
  swapJobs,
} from './assignment-operators.ts';
import { assertWholeNumber } from './checked-input.ts';
import { NSGA2_LIMITS } from './limits.ts';
import type { Population } from './population.ts';
import type { AssignmentChange, AssignmentProblem, Problem, RealProblem } from './problem.ts';
import { polynomialMutation, simulatedBinaryCrossover } from './real-operators.ts';
import { type CompleteSettings, stateOf } from './settings.ts';

export interface Variation {
  /** Makes and evaluates individual `slot` of the first population, in `row`. */
  create(slot: number, row: number, random: RandomNumbers): void;
  /** Makes and evaluates the children of two rows in two other rows. */
  breed(rows: PairRows, random: RandomNumbers): void;
}

export interface PairRows {
  first: number;
  second: number;
  firstChild: number;
  secondChild: number;
}

export function variationOf(problem: Problem, settings: CompleteSettings, population: Population): Variation {
  return problem.encoding === 'real'
    ? new RealVariation(problem, settings, population)
    : new AssignmentVariation(problem, settings, population);
}

class RealVariation implements Variation {
  readonly #problem: RealProblem;
  readonly #settings: CompleteSettings;
  readonly #population: Population;
  readonly #genes: Float64Array;

  constructor(problem: RealProblem, settings: CompleteSettings, population: Population) {
    this.#problem = problem;
    this.#settings = settings;
    this.#population = population;
    this.#genes = population.genes as Float64Array;
  }

  create(slot: number, row: number, random: RandomNumbers): void {
    const { lower, upper, seeds } = this.#problem;
    const at = row * lower.length;
    const seed = seeds?.[slot];
    for (let gene = 0; gene < lower.length; gene += 1) {
      const low = lower[gene] as number;
      this.#genes[at + gene] = seed?.[gene] ?? low + random.unit() * ((upper[gene] as number) - low);
    }
    this.#evaluate(row);
  }

  breed({ first, second, firstChild, secondChild }: PairRows, random: RandomNumbers): void {
    const { crossoverProbability, crossoverIndex, mutationProbability, mutationIndex } = this.#settings;
    const genes = this.#genes;
    const count = this.#problem.lower.length;
    let crossed = 0;
    if (random.unit() < crossoverProbability) {
      const places = [first * count, second * count, firstChild * count, secondChild * count] as const;
      crossed = simulatedBinaryCrossover(genes, this.#problem, places, crossoverIndex, random);
    } else {
      genes.copyWithin(firstChild * count, first * count, (first + 1) * count);
      genes.copyWithin(secondChild * count, second * count, (second + 1) * count);
    }
    // Copies of the parents would be evaluated in vain.
    const least = crossed === 0 ? 1 : 0;
    for (const child of [firstChild, secondChild]) {
      polynomialMutation(genes, this.#problem, child * count, mutationProbability, mutationIndex, random, least);
    }
    this.#evaluate(firstChild);
    this.#evaluate(secondChild);
  }

  #evaluate(row: number): void {
    const { lower, objectives } = this.#problem;
    const population = this.#population;
    population.violations[row] = this.#problem.evaluate(
      this.#genes,
      row * lower.length,
      population.objectives,
      row * objectives,
    );
    checkEvaluation(population, row, objectives);
  }
}

/** An individual is evaluated from a parent's result while no more than this share of its jobs differs. */
const LARGEST_CHANGE = 0.5;

class AssignmentVariation implements Variation {
  readonly #problem: AssignmentProblem;
  readonly #settings: CompleteSettings;
  readonly #population: Population;
  readonly #genes: Int32Array;
  readonly #stateNumbers: number;
  readonly #candidates: Candidates;
  readonly #coins: Int32Array;
  readonly #change: AssignmentChange;

  constructor(problem: AssignmentProblem, settings: CompleteSettings, population: Population) {
    this.#problem = problem;
    this.#settings = settings;
    this.#population = population;
    this.#genes = population.genes as Int32Array;
    this.#stateNumbers = stateOf(problem);
    this.#candidates = candidatesOf(problem);
    this.#coins = new Int32Array(Math.ceil(problem.nodes / 32));
    this.#change = {
      genes: this.#genes,
      genesAt: 0,
      parentGenesAt: 0,
      jobs: new Int32Array(problem.jobs),
      jobCount: 0,
      objectives: population.objectives,
      objectivesAt: 0,
      parentObjectivesAt: 0,
      parentViolation: 0,
      state: population.state,
      stateAt: 0,
    };
  }

  create(slot: number, row: number, random: RandomNumbers): void {
    const { jobs, seeds = [] } = this.#problem;
    const at = row * jobs;
    const seed = seeds[slot];
    if (seed !== undefined) {
      this.#genes.set(seed, at);
    } else if (seeds.length > 0 && random.unit() < this.#settings.seededShare) {
      this.#genes.set(seeds[random.below(seeds.length)] as Int32Array, at);
      this.#mutate(row, true, random);
    } else {
      for (let job = 0; job < jobs; job += 1) this.#genes[at + job] = this.#candidates.draw(job, -1, random);
    }
    this.#problem.repair?.(this.#genes, at, random);
    this.#evaluate(row);
  }

  breed({ first, second, firstChild, secondChild }: PairRows, random: RandomNumbers): void {
    const { jobs } = this.#problem;
    const genes = this.#genes;
    const isCrossed = random.unit() < this.#settings.crossoverProbability;
    if (isCrossed) {
      const places = [first * jobs, second * jobs, firstChild * jobs, secondChild * jobs] as const;
      groupCrossover(genes, jobs, places, this.#coins, random);
    } else {
      genes.copyWithin(firstChild * jobs, first * jobs, (first + 1) * jobs);
      genes.copyWithin(secondChild * jobs, second * jobs, (second + 1) * jobs);
    }
    for (const child of [firstChild, secondChild]) {
      this.#mutate(child, !isCrossed, random);
      this.#problem.repair?.(genes, child * jobs, random);
      this.#evaluateChild(child, first, second);
    }
  }

  /** A copy is changed in any case: it would be evaluated in vain. */
  #mutate(row: number, isCopy: boolean, random: RandomNumbers): void {
    const { jobs } = this.#problem;
    const { moveProbability, swapProbability, evictProbability, mutationProbability } = this.#settings;
    const at = row * jobs;
    const isSwapped = random.unit() < swapProbability;
    const isEvicted = random.unit() < evictProbability;
    const isMoved = random.unit() < moveProbability || (isCopy && !isSwapped && !isEvicted);
    if (isMoved) moveJobs(this.#genes, at, jobs, mutationProbability, this.#candidates, random);
    if (isSwapped) swapJobs(this.#genes, at, jobs, this.#candidates, random);
    if (isEvicted) evictNode(this.#genes, at, jobs, this.#candidates, random);
  }

  /** From the parent that is nearer, if it is near and the problem can do so; else anew. */
  #evaluateChild(row: number, first: number, second: number): void {
    const { jobs, objectives } = this.#problem;
    if (this.#problem.evaluateChange === undefined) return this.#evaluate(row);
    const most = Math.floor(jobs * LARGEST_CHANGE);
    const fromFirst = this.#differences(row, first);
    const fromSecond = this.#differences(row, second);
    const parent = fromFirst <= fromSecond ? first : second;
    if (Math.min(fromFirst, fromSecond) > most) return this.#evaluate(row);
    const change = this.#change;
    if (parent === first) this.#differences(row, first);
    change.jobCount = Math.min(fromFirst, fromSecond);
    change.genesAt = row * jobs;
    change.parentGenesAt = parent * jobs;
    change.objectivesAt = row * objectives;
    change.parentObjectivesAt = parent * objectives;
    change.parentViolation = this.#population.violations[parent] as number;
    change.stateAt = row * this.#stateNumbers;
    const parentState = parent * this.#stateNumbers;
    this.#population.state.copyWithin(change.stateAt, parentState, parentState + this.#stateNumbers);
    this.#population.violations[row] = this.#problem.evaluateChange(change);
    checkEvaluation(this.#population, row, objectives);
  }

  /** Lists the jobs that two rows have on different nodes, and returns how many they are. */
  #differences(row: number, other: number): number {
    const genes = this.#genes;
    const { jobs } = this.#problem;
    const at = row * jobs;
    const otherAt = other * jobs;
    const list = this.#change.jobs;
    let count = 0;
    for (let job = 0; job < jobs; job += 1) {
      if (genes[at + job] !== genes[otherAt + job]) list[count++] = job;
    }
    return count;
  }

  #evaluate(row: number): void {
    const { jobs, objectives } = this.#problem;
    const population = this.#population;
    population.violations[row] = this.#problem.evaluate(
      this.#genes,
      row * jobs,
      population.objectives,
      row * objectives,
      population.state,
      row * this.#stateNumbers,
    );
    checkEvaluation(population, row, objectives);
  }
}

/** Throws a `FogError` (`invalid-request`) for a job whose list of candidates is empty, out of order or out of range. */
function candidatesOf(problem: AssignmentProblem): Candidates {
  if (problem.candidates === undefined) return everyNode(problem.nodes);
  const lists: Int32Array[] = [];
  for (let job = 0; job < problem.jobs; job += 1) {
    const list = problem.candidates(job);
    if (list.length === 0) {
      throw new FogError('invalid-request', `job ${job} has no node that it may be on`, {
        details: { job },
        hint: 'leave the job out, and tell its owner which constraint excludes the nodes',
      });
    }
    list.forEach((node, at) => {
      assertWholeNumber(
        `candidate ${at} of job ${job}`,
        node,
        at === 0 ? 0 : (list[at - 1] as number) + 1,
        problem.nodes - 1,
      );
    });
    lists.push(list);
  }
  return listedNodes(lists);
}

function checkEvaluation({ objectives, violations }: Population, row: number, count: number): void {
  const violation = violations[row] as number;
  let isSound = violation >= 0 && violation <= NSGA2_LIMITS.objective;
  for (let at = row * count; at < (row + 1) * count; at += 1) {
    isSound &&= Math.abs(objectives[at] as number) <= NSGA2_LIMITS.objective;
  }
  if (!isSound) throw unsoundEvaluation(objectives.subarray(row * count, (row + 1) * count), violation);
}

function unsoundEvaluation(objectives: Float64Array, violation: number): FogError {
  const values = [...objectives].join(', ');
  return new FogError('invalid-request', `an evaluation gave objectives ${values} and violation ${violation}`, {
    details: { objectives: [...objectives].map(String), violation: String(violation) },
    hint: 'return finite objectives, and a violation that is 0 or positive; tell of a fault by the violation',
  });
}
