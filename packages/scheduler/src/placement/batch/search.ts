/** The search for good placements of a batch: what it begins with, how the optimiser goes on, and when it ends. */
import { hypervolume, optimise } from '../../nsga2/index.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import type { TradeOffs } from '../trade-offs.ts';
import { type Batch, NOWHERE } from './batch.ts';
import { BatchProblem } from './batch-problem.ts';
import { Heuristics, weightings } from './heuristics.ts';
import type { BatchOptions, BatchResult } from './optimise-batch.ts';
import { type PairTable, pairTableOf } from './pair-table.ts';
import { frontOfPlacements, scoredFront } from './scored-front.ts';
import { Scores } from './scores.ts';

const POPULATION = 100;
/** Jobs that one mutation moves on average. */
const MOVED_JOBS = 2;

type SearchResult = Pick<BatchResult, 'front' | 'evaluations' | 'record' | 'stoppedBy'>;

export class Search {
  readonly #batch: Batch;
  readonly #options: BatchOptions;
  readonly #elapsed: () => number;
  readonly #problem: BatchProblem;
  readonly #weightings: number;
  readonly #seedFront: TradeOffs;
  readonly #convergence: Convergence;

  private constructor(
    batch: Batch,
    options: BatchOptions,
    elapsed: () => number,
    problem: BatchProblem,
    seeds: readonly Int32Array[],
    weightingsUsed: number,
  ) {
    this.#batch = batch;
    this.#options = options;
    this.#elapsed = elapsed;
    this.#problem = problem;
    this.#weightings = weightingsUsed;
    this.#seedFront = frontOfPlacements(batch, problem.scores, seeds);
    this.#convergence = new Convergence(this.#seedFront);
  }

  /** Makes the placements that the search begins with, as many as there is time for. */
  static async prepare(batch: Batch, first: Int32Array, options: BatchOptions, elapsed: () => number): Promise<Search> {
    const population = options.population ?? POPULATION;
    const table = pairTableOf(batch);
    const heuristics = new Heuristics(batch, table);
    const seeds = [first, ...extremes(batch, table, heuristics)].slice(0, population);
    const scales = rangesOf(batch, table, seeds);
    // Those of a single objective are there already.
    const all = weightings(batch.objectives.length, PLACEMENT_LIMITS.batchSeeds).filter((each) => !each.includes(1));
    const most = Math.min(options.record?.weightings ?? all.length, population - seeds.length, all.length);
    let used = 0;
    for (; used < most && !isLate(options, elapsed()); used += 1) {
      const weights = (all[used] as number[]).map((weight, objective) => weight / (scales[objective] as number));
      seeds.push(heuristics.byWeights(weights, used % 2 === 1));
      await nextTurn();
    }
    const scores = new Scores(batch, table);
    scores.allow(leastBroken(batch, scores, seeds));
    return new Search(batch, options, elapsed, new BatchProblem(batch, table, scores, scales, seeds), seeds, used);
  }

  async run(): Promise<SearchResult> {
    const { generations, record, milliseconds, seed, population = POPULATION, signal } = this.#options;
    this.#options.onProgress?.({
      generation: 0,
      elapsedMilliseconds: this.#elapsed(),
      front: () => this.#seedFront,
    });
    if (isLate(this.#options, this.#elapsed())) return this.#notRun(signal?.aborted === true ? 'signal' : 'time');
    if (record?.firstPopulation === 0) return this.#notRun('budget');
    const stop = new AbortController();
    const budget =
      record === undefined
        ? {
            ...(generations === undefined ? {} : { generations }),
            ...(milliseconds === undefined ? {} : { milliseconds: Math.max(0, milliseconds - this.#elapsed()) }),
          }
        : { generations: record.generations, firstPopulation: record.firstPopulation };
    const mutationProbability = Math.min(1, MOVED_JOBS / this.#problem.jobs);
    const outcome = await optimise(
      this.#problem,
      { seed, population, mutationProbability },
      {
        budget,
        signal: signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]),
        onProgress: ({ generation, front }) => {
          const told = () => scoredFront(this.#batch, front());
          this.#options.onProgress?.({ generation, elapsedMilliseconds: this.#elapsed(), front: told });
          if (record !== undefined || this.#options.isExhaustive === true) return;
          if (this.#convergence.isReached(generation, told)) stop.abort();
        },
      },
    );
    return {
      front: scoredFront(this.#batch, outcome.front),
      evaluations: outcome.evaluations,
      record: { weightings: this.#weightings, ...outcome.record },
      stoppedBy: stop.signal.aborted ? 'converged' : outcome.stoppedBy,
    };
  }

  #notRun(stoppedBy: SearchResult['stoppedBy']): SearchResult {
    const record = { weightings: this.#weightings, generations: 0, firstPopulation: 0 };
    return { front: this.#seedFront, evaluations: 0, record, stoppedBy };
  }
}

/** The best by each objective alone, in two orders, the shortest tasks first, and nodes filled one after the other. */
function extremes(batch: Batch, table: PairTable, heuristics: Heuristics): Int32Array[] {
  const seeds = batch.objectives.flatMap((_, objective) => {
    const alone = batch.objectives.map((_name, index) => (index === objective ? 1 : 0));
    return [heuristics.byWeights(alone, false), heuristics.byWeights(alone, true)];
  });
  seeds.push(heuristics.bestFit());
  const completion = batch.objectives.indexOf('completionTime');
  if (completion >= 0) seeds.push(heuristics.minMin(table.values[completion] as Float64Array));
  return seeds;
}

/** How much the sum of each objective differs between placements: one unit of it is worth so little. */
function rangesOf({ tasks, nodes }: Batch, { values }: PairTable, placements: readonly Int32Array[]): number[] {
  return values.map((column) => {
    const sums = placements.map((placement) =>
      tasks.reduce((sum, _, task) => {
        const node = placement[task] as number;
        return node === NOWHERE ? sum : sum + (column[task * nodes.length + node] as number);
      }, 0),
    );
    const range = Math.max(...sums) - Math.min(...sums);
    return range > 0 ? range : 1;
  });
}

function leastBroken(batch: Batch, scores: Scores, placements: readonly Int32Array[]): number {
  const state = new Float64Array(scores.stateNumbers);
  const values = new Float64Array(batch.objectives.length);
  return placements.reduce((least, placement) => {
    const genes = placement.map((node) => (node === NOWHERE ? batch.nodes.length : node));
    scores.evaluate(genes, 0, values, 0, state, 0);
    return Math.min(least, scores.brokenMilliseconds(state, 0));
  }, Infinity);
}

/** Whether the front still grows: by its hypervolume, so that every objective counts, relative to what it was. */
class Convergence {
  readonly #reference: number[];
  #volume = 0;

  constructor(front: TradeOffs) {
    this.#reference = front.objectives.map((_, objective) => {
      const values = front.points.map((point) => point.values[objective] as number);
      const [least, most] = [Math.min(...values), Math.max(...values)];
      return most + 0.1 * (most > least ? most - least : Math.max(1, Math.abs(most)));
    });
  }

  isReached(generation: number, front: () => TradeOffs): boolean {
    if (generation === 0 || generation % PLACEMENT_LIMITS.convergenceGenerations !== 0) return false;
    const { points } = front();
    if (points.some(({ violation }) => violation > 0)) return false;
    const flat = points.flatMap(({ values }) => values);
    const volume = hypervolume(flat, points.length, this.#reference);
    const isReached = this.#volume > 0 && volume <= this.#volume * (1 + PLACEMENT_LIMITS.convergenceShare);
    this.#volume = volume;
    return isReached;
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
