/**
 * NSGA-II, generation by generation: Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic
 * algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation 6 (2), 2002.
 *
 *     created -> createIndividual for each slot -> settle -> (meet -> breedPair for each pair -> replace) ...
 *
 * Each slot of the first population, each pair of each generation and each replacement draws from a stream of random
 * numbers of its own. So it does not matter who makes a pair, or in which order: the next population is the same.
 */
import { RandomNumbers } from '../random-numbers.ts';
import { createPopulation, type Population } from './population.ts';
import { genesOf, type Problem } from './problem.ts';
import { Selection } from './selection.ts';
import { type CompleteSettings, completeSettings, type Nsga2Settings } from './settings.ts';
import { type PairRows, type Variation, variationOf } from './variation.ts';

/** Individuals none of which is better than another, and no individual of the population better than they. */
export interface Front {
  count: number;
  /** Genes of one individual. */
  genesPerIndividual: number;
  /** One individual after the other, as are the others. */
  genes: Float64Array | Int32Array;
  objectives: Float64Array;
  /** All 0 if constraints are met; else, nobody in the population met them all, and these come nearest. */
  violations: Float64Array;
}

/** Makes individuals and pairs, in a thread of its own if the population's memory is shared. */
export class Breeder {
  readonly #settings: CompleteSettings;
  readonly #population: Population;
  readonly #variation: Variation;
  readonly #random: RandomNumbers;
  readonly #pair: PairRows = { first: 0, second: 0, firstChild: 0, secondChild: 0 };

  constructor(problem: Problem, settings: CompleteSettings, population: Population) {
    this.#settings = settings;
    this.#population = population;
    this.#variation = variationOf(problem, settings, population);
    this.#random = new RandomNumbers(settings.seed);
  }

  /** Makes and evaluates individual `slot` of the first population. */
  createIndividual(slot: number): void {
    this.#random.useStream(slot);
    this.#variation.create(slot, this.#population.rows[slot] as number, this.#random);
  }

  /** Makes and evaluates two children of pair `pair` in the given generation, of which the first is 1. */
  breedPair(generation: number, pair: number): void {
    const { rows, meetings } = this.#population;
    const random = this.#random;
    random.useStream(streamOf(this.#settings.population, generation, pair));
    const rows4 = this.#pair;
    rows4.first = rows[this.#fitter(meetings[4 * pair] as number, meetings[4 * pair + 1] as number)] as number;
    rows4.second = rows[this.#fitter(meetings[4 * pair + 2] as number, meetings[4 * pair + 3] as number)] as number;
    rows4.firstChild = rows[this.#settings.population + 2 * pair] as number;
    rows4.secondChild = rows[this.#settings.population + 2 * pair + 1] as number;
    this.#variation.breed(rows4, random);
  }

  /** Of two individuals that meet: the better front, then more room, then chance. */
  #fitter(left: number, right: number): number {
    const { ranks, distances } = this.#population;
    if (ranks[left] !== ranks[right]) return (ranks[left] as number) < (ranks[right] as number) ? left : right;
    if (distances[left] !== distances[right]) {
      return (distances[left] as number) > (distances[right] as number) ? left : right;
    }
    return (this.#random.uint32() & 1) === 0 ? left : right;
  }
}

export class Nsga2 {
  readonly settings: CompleteSettings;
  readonly problem: Problem;
  readonly population: Population;
  readonly breeder: Breeder;
  readonly #random: RandomNumbers;
  readonly #selection: Selection;
  readonly #points: Float64Array;
  readonly #violations: Float64Array;
  readonly #oldRows: Int32Array;
  readonly #isChosen: Uint8Array;
  /** Individuals of the population; fewer than planned if it was settled early. */
  #count = 0;
  #generation = 0;

  /**
   * Throws a `FogError` (`invalid-configuration`, `invalid-request`) for settings or a problem that make no sense.
   * `isShared`: the population lies in shared memory.
   */
  constructor(problem: Problem, settings: Nsga2Settings, isShared = false) {
    this.problem = problem;
    this.settings = completeSettings(problem, settings);
    const { population, seed, crowding, truncation } = this.settings;
    this.population = createPopulation(problem, population, isShared);
    this.breeder = new Breeder(problem, this.settings, this.population);
    this.#random = new RandomNumbers(seed);
    this.#selection = new Selection(2 * population, crowding, truncation);
    this.#points = new Float64Array(2 * population * problem.objectives);
    this.#violations = new Float64Array(2 * population);
    this.#oldRows = new Int32Array(2 * population);
    this.#isChosen = new Uint8Array(2 * population);
  }

  /** Generations after the first population. */
  get generation(): number {
    return this.#generation;
  }

  /** Individuals of the population; 0 before `settle`. */
  get count(): number {
    return this.#count;
  }

  get pairs(): number {
    return this.settings.population / 2;
  }

  /** Takes the first `count` individuals that were created as the first population. */
  settle(count: number): void {
    this.#count = count;
    this.#random.useStream(streamOf(this.settings.population, 0, this.pairs));
    this.#select(count, count);
  }

  /** Draws who meets whom in the next generation: each individual twice, as long as there are enough. */
  meet(): void {
    const { meetings } = this.population;
    const count = this.#count;
    this.#random.useStream(streamOf(this.settings.population, this.#generation + 1, this.pairs));
    for (let from = 0; from < meetings.length; from += count) {
      const part = meetings.subarray(from, Math.min(from + count, meetings.length));
      const all = part.length === count ? part : new Int32Array(count);
      for (let at = 0; at < count; at += 1) all[at] = at;
      this.#random.shuffle(all);
      if (all !== part) part.set(all.subarray(0, part.length));
    }
  }

  /** Lets the best of the population and of all children of this generation live on. Follows `meet` and all pairs. */
  replace(): void {
    const { population } = this.settings;
    const { rows } = this.population;
    if (this.#count < population) {
      // Of a population that was settled early the rows that nobody lives in go behind those of the children.
      const unused = rows.slice(this.#count, population);
      rows.copyWithin(this.#count, population, 2 * population);
      rows.set(unused, this.#count + population);
    }
    this.#select(this.#count + population, population);
    this.#count = population;
    this.#generation += 1;
  }

  /** One whole generation in this thread. */
  advance(): void {
    this.meet();
    for (let pair = 0; pair < this.pairs; pair += 1) this.breeder.breedPair(this.#generation + 1, pair);
    this.replace();
  }

  /** The best front of the population, copies of equal objectives left out, by the first objective ascending. */
  front(): Front {
    const { problem, population } = this;
    const best: number[] = [];
    for (let at = 0; at < this.#count; at += 1)
      if (population.ranks[at] === 0) best.push(population.rows[at] as number);
    const objectives = problem.objectives;
    const compare = (left: number, right: number): number => {
      for (let at = 0; at < objectives; at += 1) {
        const difference =
          (population.objectives[left * objectives + at] as number) -
          (population.objectives[right * objectives + at] as number);
        if (difference !== 0) return difference;
      }
      return 0;
    };
    best.sort((left, right) => compare(left, right) || left - right);
    const distinct = best.filter((row, at) => at === 0 || compare(best[at - 1] as number, row) !== 0);
    const genes = genesOf(problem);
    return {
      count: distinct.length,
      genesPerIndividual: genes,
      genes: gathered(population.genes, distinct, genes),
      objectives: gathered(population.objectives, distinct, objectives),
      violations: gathered(population.violations, distinct, 1),
    };
  }

  /** Chooses `keep` of the first `count` rows, which become the population; the other rows are free. */
  #select(count: number, keep: number): void {
    const { population, problem } = this;
    const { rows, ranks, distances } = population;
    const objectives = problem.objectives;
    for (let at = 0; at < count; at += 1) {
      const row = rows[at] as number;
      this.#violations[at] = population.violations[row] as number;
      for (let objective = 0; objective < objectives; objective += 1) {
        this.#points[at * objectives + objective] = population.objectives[row * objectives + objective] as number;
      }
    }
    const selection = this.#selection;
    selection.select(this.#points, this.#violations, count, objectives, keep, this.#random);
    const isChosen = this.#isChosen.fill(0);
    const oldRows = this.#oldRows;
    oldRows.set(rows);
    for (let at = 0; at < keep; at += 1) {
      const index = selection.chosen[at] as number;
      isChosen[index] = 1;
      rows[at] = oldRows[index] as number;
      ranks[at] = selection.ranks[index] as number;
      distances[at] = selection.distances[index] as number;
    }
    let free = keep;
    for (let index = 0; index < count; index += 1) if (isChosen[index] === 0) rows[free++] = oldRows[index] as number;
  }
}

function gathered<Values extends Float64Array | Int32Array>(
  values: Values,
  rows: readonly number[],
  width: number,
): Values {
  const result =
    values instanceof Float64Array ? new Float64Array(rows.length * width) : new Int32Array(rows.length * width);
  rows.forEach((row, at) => {
    result.set(values.subarray(row * width, (row + 1) * width), at * width);
  });
  return result as Values;
}

/** Slots of the first population have the streams from 0 on; each generation, one for each pair and one for itself. */
function streamOf(population: number, generation: number, pair: number): number {
  return population + generation * (population / 2 + 1) + pair;
}
