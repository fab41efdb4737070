/**
 * The search for good placements of a batch: what it begins with, how it goes on, and when it ends.
 *
 * It goes in episodes. Each is a short run of the optimiser that begins with the best of all that was seen so far, and
 * whatever is better goes into the archive, from which the front is taken in the end.
 */
import { hypervolume, optimise, type RunRecord } from '../../nsga2/index.ts';
import { RandomNumbers } from '../../random-numbers.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import type { TradeOffs } from '../trade-offs.ts';
import { Archive } from './archive.ts';
import { type Batch, NOWHERE } from './batch.ts';
import { BatchProblem } from './batch-problem.ts';
import { Heuristics, weightings } from './heuristics.ts';
import type { BatchOptions, BatchRecord, BatchResult } from './optimise-batch.ts';
import { type PairTable, pairTableOf } from './pair-table.ts';
import { frontOf } from './scored-front.ts';
import { Scores } from './scores.ts';

const POPULATION = 100;
/** Jobs that one mutation moves on average. */
const MOVED_JOBS = 2;
/** Of pairs of parents whose children mix them; the others' children are their variants. */
const CROSSED = 0.3;

type SearchResult = Pick<BatchResult, 'front' | 'evaluations' | 'record' | 'stoppedBy'>;

export class Search {
  readonly #batch: Batch;
  readonly #options: BatchOptions;
  readonly #elapsed: () => number;
  readonly #problem: BatchProblem;
  readonly #archive: Archive;
  readonly #growth: Growth;
  readonly #record: BatchRecord;
  #generations = 0;
  #evaluations = 0;

  private constructor(
    batch: Batch,
    options: BatchOptions,
    elapsed: () => number,
    problem: BatchProblem,
    archive: Archive,
    weightingsUsed: number,
  ) {
    this.#batch = batch;
    this.#options = options;
    this.#elapsed = elapsed;
    this.#problem = problem;
    this.#archive = archive;
    this.#growth = new Growth(archive);
    this.#record = { weightings: weightingsUsed, episodes: 0, generations: 0, firstPopulation: 0 };
  }

  /** Makes the placements that the search begins with, as many as there is time for. */
  static async prepare(batch: Batch, first: Int32Array, options: BatchOptions, elapsed: () => number): Promise<Search> {
    const table = pairTableOf(batch);
    const heuristics = new Heuristics(batch, table);
    const seeds = [first, ...extremes(batch, heuristics, first, options.seed)];
    const scales = rangesOf(batch, table, seeds);
    // Those of a single objective are there already.
    const all = weightings(batch.objectives.length, PLACEMENT_LIMITS.batchWeightings).filter(
      (each) => !each.includes(1),
    );
    const most = options.record?.weightings ?? all.length;
    let used = 0;
    for (; used < Math.min(most, all.length) && !isLate(options, elapsed()); used += 1) {
      const weights = (all[used] as number[]).map((weight, objective) => weight / (scales[objective] as number));
      seeds.push(heuristics.byWeights(weights, used % 2 === 1));
      await nextTurn();
    }
    const scores = new Scores(batch, table);
    const archive = archiveOf(batch, scores, seeds);
    const problem = new BatchProblem(batch, table, scores, scales, archive);
    return new Search(batch, options, elapsed, problem, archive, used);
  }

  async run(): Promise<SearchResult> {
    const { record, signal, generations = Infinity, isExhaustive = false } = this.#options;
    this.#tell();
    const most = record?.episodes ?? Infinity;
    while (this.#record.episodes < most && this.#generations < generations) {
      if (isLate(this.#options, this.#elapsed())) {
        return this.#result(signal?.aborted === true ? 'signal' : 'time');
      }
      const stoppedBy = await this.#episode();
      if (stoppedBy !== 'budget') return this.#result(stoppedBy);
      if (record === undefined && !isExhaustive && this.#growth.hasEnded(this.#archive))
        return this.#result('converged');
    }
    return this.#result('budget');
  }

  async #episode(): Promise<'budget' | 'time' | 'signal'> {
    const { seed, population = POPULATION, signal, record } = this.#options;
    this.#problem.seeds = this.#archive.sample(population).map(({ genes }) => genes);
    const isLast = record !== undefined && this.#record.episodes === record.episodes - 1;
    const before = this.#generations;
    const outcome = await optimise(
      this.#problem,
      {
        seed: (seed + this.#record.episodes) % 2 ** 32,
        population,
        crossoverProbability: CROSSED,
        mutationProbability: Math.min(1, MOVED_JOBS / this.#problem.jobs),
      },
      {
        budget: isLast ? { generations: record.generations, firstPopulation: record.firstPopulation } : this.#budget(),
        ...(signal === undefined ? {} : { signal }),
        onProgress: ({ generation }) => {
          // What a generation that is cut off has found is left out, so that a record repeats the run.
          this.#archive.commit();
          this.#generations = before + generation;
          this.#tell();
        },
      },
    );
    this.#evaluations += outcome.evaluations;
    this.#note(outcome.record);
    return outcome.stoppedBy;
  }

  #budget(): { generations: number; milliseconds?: number } {
    const { record, generations = Infinity, milliseconds } = this.#options;
    const most = Math.min(PLACEMENT_LIMITS.episodeGenerations, generations - this.#generations);
    if (record !== undefined || milliseconds === undefined) return { generations: most };
    return { generations: most, milliseconds: Math.max(0, milliseconds - this.#elapsed()) };
  }

  #note({ generations, firstPopulation }: RunRecord): void {
    this.#record.episodes += 1;
    this.#record.generations = generations;
    this.#record.firstPopulation = firstPopulation;
  }

  #tell(): void {
    this.#options.onProgress?.({
      generation: this.#generations,
      elapsedMilliseconds: this.#elapsed(),
      front: () => this.#front(),
    });
  }

  #front(): TradeOffs {
    return frontOf(this.#batch, this.#archive.thinned(PLACEMENT_LIMITS.frontPoints));
  }

  #result(stoppedBy: SearchResult['stoppedBy']): SearchResult {
    return { front: this.#front(), evaluations: this.#evaluations, record: { ...this.#record }, stoppedBy };
  }
}

/** The best by each objective alone, in two orders and rebuilt, the shortest tasks first, and nodes filled one after the other. */
function extremes(batch: Batch, heuristics: Heuristics, first: Int32Array, seed: number): Int32Array[] {
  const random = new RandomNumbers(seed);
  const seeds = batch.objectives.flatMap((_, objective) => {
    const alone = batch.objectives.map((_name, index) => (index === objective ? 1 : 0));
    const found = [heuristics.byWeights(alone, false), heuristics.byWeights(alone, true)];
    // What leaves a task behind would look cheap.
    const whole = found.filter((placement) => !placement.includes(NOWHERE));
    return [...found, heuristics.byRebuilding(objective, whole.length === 0 ? [first] : whole, random)];
  });
  seeds.push(heuristics.bestFit());
  if (batch.objectives.includes('completionTime')) seeds.push(heuristics.minMin());
  return seeds;
}

/** How much the sum of each objective differs between placements: one unit of it is worth so little. */
function rangesOf(
  { tasks, nodes, objectives }: Batch,
  { values, width }: PairTable,
  placements: readonly Int32Array[],
): number[] {
  return objectives.map((_, objective) => {
    const sums = placements.map((placement) =>
      tasks.reduce((sum, _task, task) => {
        const node = placement[task] as number;
        return node === NOWHERE ? sum : sum + (values[(task * nodes.length + node) * width + objective] as number);
      }, 0),
    );
    const range = Math.max(...sums) - Math.min(...sums);
    return range > 0 ? range : 1;
  });
}

/** Of the placements with which the search begins. What all of them break counts as kept from then on. */
function archiveOf(batch: Batch, scores: Scores, placements: readonly Int32Array[]): Archive {
  const width = batch.objectives.length;
  const state = new Float64Array(scores.stateNumbers);
  const samples = placements.map((placement) => {
    const genes = placement.map((node) => (node === NOWHERE ? batch.nodes.length : node));
    const values = new Float64Array(width);
    scores.evaluate(genes, 0, values, 0, state, 0);
    return { genes, values, broken: scores.brokenMilliseconds(state, 0) };
  });
  const allowed = samples.reduce((least, { broken }) => Math.min(least, broken), Infinity);
  scores.allow(allowed);
  const archive = new Archive(samples);
  for (const { genes, values, broken } of samples) archive.offer(values, 0, broken - allowed, genes, 0, genes.length);
  archive.commit();
  return archive;
}

/** Whether the front still grows: by its hypervolume, so that every objective counts, relative to what it was. */
class Growth {
  readonly #reference: number[];
  #volume = 0;
  #idleEpisodes = 0;

  constructor({ entries }: Archive) {
    const objectives = entries[0]?.values.length ?? 0;
    this.#reference = Array.from({ length: objectives }, (_, objective) => {
      const values = entries.map((entry) => entry.values[objective] as number);
      const [least, most] = [Math.min(...values), Math.max(...values)];
      return most + 0.1 * (most > least ? most - least : Math.max(1, Math.abs(most)));
    });
  }

  hasEnded(archive: Archive): boolean {
    const entries = archive.thinned(PLACEMENT_LIMITS.frontPoints);
    const flat = entries.flatMap(({ values }) => [...values]);
    const volume = hypervolume(flat, entries.length, this.#reference);
    const isIdle = this.#volume > 0 && volume <= this.#volume * (1 + PLACEMENT_LIMITS.convergenceShare);
    this.#idleEpisodes = isIdle ? this.#idleEpisodes + 1 : 0;
    this.#volume = volume;
    return this.#idleEpisodes >= PLACEMENT_LIMITS.idleEpisodes;
  }
}

function isLate({ signal, milliseconds = Infinity, record }: BatchOptions, elapsedMilliseconds: number): boolean {
  return signal?.aborted === true || (record === undefined && elapsedMilliseconds >= milliseconds);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
