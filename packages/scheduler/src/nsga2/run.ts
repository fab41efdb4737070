/**
 * A run of the optimiser: until a budget is spent, a time is up or a signal comes, with the best front at any moment.
 *
 * What a run gave is a function of the problem, the settings and its record. The record says how far the run came; with it
 * as budget, the run of another day gives the same bytes, however long it takes, and with any number of workers.
 */
import { FogError } from '@fog/contract';
import { assertNumber, assertWholeNumber } from './checked-input.ts';
import { NSGA2_LIMITS } from './limits.ts';
import { type Front, Nsga2 } from './nsga2.ts';
import type { Problem } from './problem.ts';
import type { Nsga2Settings } from './settings.ts';

/** Whichever is spent first ends the run; one at least has to be given. */
export interface Budget {
  /** Individuals evaluated in all. Only whole generations are made. */
  evaluations?: number;
  /** Generations after the first population. */
  generations?: number;
  /** Individuals of the first population, if it is to be settled early, as a record says. */
  firstPopulation?: number;
  milliseconds?: number;
}

/** How far a run came; passed as budget, it repeats the run. */
export interface RunRecord {
  generations: number;
  firstPopulation: number;
}

export const STOP_REASONS = ['budget', 'time', 'signal'] as const;
export type StopReason = (typeof STOP_REASONS)[number];

export interface Outcome {
  front: Front;
  record: RunRecord;
  /** Individuals that the record accounts for; what time cut off in the middle of a generation is not among them. */
  evaluations: number;
  stoppedBy: StopReason;
}

export interface Progress {
  generation: number;
  evaluations: number;
  elapsedMilliseconds: number;
  /** The best front so far, copied when asked for. */
  front(): Front;
}

/** Workers that make individuals and pairs of a population in shared memory, e.g. `startWorkers`. */
export interface SlotWorkers {
  /** The run's memory and settings: before anything else. */
  begin(run: Nsga2): Promise<void>;
  createIndividuals(from: number, to: number): Promise<void>;
  breedPairs(generation: number, from: number, to: number): Promise<void>;
}

export interface RunOptions {
  budget: Budget;
  /** Stops the run at the next moment; what it has found is its outcome. */
  signal?: AbortSignal;
  /** Called after the first population and each generation. */
  onProgress?: (progress: Progress) => void;
  /** Without them this thread makes everything. */
  workers?: SlotWorkers;
  /** Milliseconds of any clock that does not go back. */
  now?: () => number;
  /** Lets other work of this thread happen. */
  giveWay?: () => Promise<void>;
}

/**
 * Runs until the budget is spent. Throws a `FogError`: `invalid-configuration` or `invalid-request` for what makes no
 * sense, evaluations that give NaN among it; `cancelled` when the signal came before there was one individual.
 */
export async function optimise(problem: Problem, settings: Nsga2Settings, options: RunOptions): Promise<Outcome> {
  const nsga2 = new Nsga2(problem, settings, options.workers !== undefined);
  const limits = limitsOf(options.budget, nsga2.settings.population);
  const run = new Run(nsga2, options, limits);
  if (options.signal?.aborted === true) throw cancelled();
  await options.workers?.begin(nsga2);
  const firstPopulation = await run.make(limits.firstPopulation, 1);
  if (firstPopulation === 0) throw cancelled();
  nsga2.settle(firstPopulation);
  run.tell(firstPopulation);
  while (run.stoppedBy === null && nsga2.generation < limits.generations) {
    nsga2.meet();
    if ((await run.make(nsga2.pairs, 0)) < nsga2.pairs) break;
    nsga2.replace();
    run.tell(firstPopulation);
  }
  return {
    front: nsga2.front(),
    record: { generations: nsga2.generation, firstPopulation },
    evaluations: firstPopulation + nsga2.generation * nsga2.settings.population,
    stoppedBy: run.stoppedBy ?? 'budget',
  };
}

function cancelled(): FogError {
  return new FogError('cancelled', 'the optimiser was stopped before it had evaluated anything');
}

interface Limits {
  firstPopulation: number;
  generations: number;
  milliseconds: number;
}

function limitsOf(budget: Budget, population: number): Limits {
  const { evaluations, generations, milliseconds, firstPopulation = population } = budget;
  if (evaluations === undefined && generations === undefined && milliseconds === undefined) {
    throw new FogError('invalid-configuration', 'the budget has no evaluations, no generations and no milliseconds', {
      hint: 'give one of them at least: the optimiser has no end of its own',
    });
  }
  assertWholeNumber('firstPopulation', firstPopulation, 1, population);
  if (generations !== undefined) assertWholeNumber('generations', generations, 0, NSGA2_LIMITS.generations);
  if (milliseconds !== undefined) assertNumber('milliseconds', milliseconds, 0, Number.MAX_SAFE_INTEGER);
  const most = Math.min(generations ?? NSGA2_LIMITS.generations, NSGA2_LIMITS.generations);
  if (evaluations === undefined) return { firstPopulation, generations: most, milliseconds: milliseconds ?? Infinity };
  assertWholeNumber('evaluations', evaluations, 1, Number.MAX_SAFE_INTEGER);
  const first = Math.min(firstPopulation, evaluations);
  return {
    firstPopulation: first,
    generations: Math.min(most, Math.floor((evaluations - first) / population)),
    milliseconds: milliseconds ?? Infinity,
  };
}

/** Slots that are made between two looks at the clock, at most. */
const MOST_SLOTS = 64;
/** About so much time passes between two looks at the clock. */
const LOOK_MILLISECONDS = 0.5;

class Run {
  readonly #nsga2: Nsga2;
  readonly #options: RunOptions;
  readonly #now: () => number;
  readonly #giveWay: () => Promise<void>;
  readonly #milliseconds: number;
  readonly #startedAt: number;
  #gaveWayAt: number;
  #slots = 1;
  stoppedBy: StopReason | null = null;

  constructor(nsga2: Nsga2, options: RunOptions, limits: Limits) {
    this.#nsga2 = nsga2;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#giveWay = options.giveWay ?? nextTurn;
    this.#milliseconds = limits.milliseconds;
    this.#startedAt = this.#now();
    this.#gaveWayAt = this.#startedAt;
  }

  /**
   * Makes slots of the first population or pairs of the next generation, and returns how many were made: fewer than
   * `count` when it was stopped, but `least` in any case.
   */
  async make(count: number, least: number): Promise<number> {
    const isFirst = this.#nsga2.count === 0;
    const { workers } = this.#options;
    let made = 0;
    while (made < count) {
      if (made >= least && this.#isOver()) return made;
      const before = this.#now();
      // The first individual alone, so that there is an answer soon; workers take all that is left.
      const here = isFirst && made === 0 ? 1 : workers === undefined ? this.#slots : count - made;
      const end = Math.min(count, made + here);
      if (workers === undefined) this.#makeHere(isFirst, made, end);
      else if (isFirst) await workers.createIndividuals(made, end);
      else await workers.breedPairs(this.#nsga2.generation + 1, made, end);
      made = end;
      const after = this.#now();
      this.#slots =
        after - before > LOOK_MILLISECONDS ? Math.max(1, this.#slots >> 1) : Math.min(MOST_SLOTS, 2 * this.#slots);
      if (after - this.#gaveWayAt < NSGA2_LIMITS.giveWayMilliseconds) continue;
      await this.#giveWay();
      this.#gaveWayAt = this.#now();
    }
    this.#isOver();
    return made;
  }

  tell(firstPopulation: number): void {
    const nsga2 = this.#nsga2;
    this.#options.onProgress?.({
      generation: nsga2.generation,
      evaluations: firstPopulation + nsga2.generation * nsga2.settings.population,
      elapsedMilliseconds: this.#now() - this.#startedAt,
      front: () => nsga2.front(),
    });
  }

  #makeHere(isFirst: boolean, from: number, to: number): void {
    const { breeder, generation } = this.#nsga2;
    for (let slot = from; slot < to; slot += 1) {
      if (isFirst) breeder.createIndividual(slot);
      else breeder.breedPair(generation + 1, slot);
    }
  }

  #isOver(): boolean {
    if (this.#options.signal?.aborted === true) this.stoppedBy = 'signal';
    else if (this.#milliseconds < Infinity && this.#now() - this.#startedAt >= this.#milliseconds)
      this.stoppedBy = 'time';
    return this.stoppedBy !== null;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
