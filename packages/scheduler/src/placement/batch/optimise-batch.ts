/**
 * Places a batch as a whole, under a budget of time.
 *
 *     first plan -> heuristics by weights -> optimiser -> front -> picked plan
 *
 * The first plan is there at once, and whatever is best so far can be had at any moment. Without a limit of time, the same
 * tasks, nodes and seed give the same plan; a run under one tells how far it came, and can be repeated by that.
 */
import { FogError } from '@fog/contract';
import { assertNumber, assertWholeNumber } from '../../nsga2/checked-input.ts';
import { NSGA2_LIMITS } from '../../nsga2/limits.ts';
import { feasibility } from '../feasibility.ts';
import type { NodeOffer, ObjectiveName, TaskToPlace } from '../model.ts';
import { type LeftTask, type PlacementPlan, planFrom } from '../plan.ts';
import { checkPick, type PickRule, pickTradeOff, type TradeOffs } from '../trade-offs.ts';
import { type Batch, batchOf, batchWithout, NOWHERE } from './batch.ts';
import { firstPlacement } from './first-plan.ts';
import { Heuristics } from './heuristics.ts';
import { emptyPairTable } from './pair-table.ts';
import { singleTaskFront } from './scored-front.ts';
import { Search } from './search.ts';

export interface BatchRequest {
  tasks: readonly TaskToPlace[];
  nodes: readonly NodeOffer[];
  /** One to four. */
  objectives: readonly ObjectiveName[];
  /** Milliseconds since 1970. */
  now: number;
  /** What is picked from the front for the plan. */
  pick: PickRule;
}

export interface BatchOptions {
  seed: number;
  /** 100 without it. */
  population?: number;
  /** Of any clock that does not go back, from the call on. */
  milliseconds?: number;
  generations?: number;
  /** What `BatchRecord` says of a run that is to be repeated. */
  record?: BatchRecord;
  /** Stops the search; what it has found is the answer. */
  signal?: AbortSignal;
  /** Goes on to the end of the budget, even when nothing gets better any more. */
  isExhaustive?: boolean;
  /** The plan that is there at once. */
  onFirstPlan?: (plan: PlacementPlan) => void;
  /** The front so far, made when asked for; after the heuristics and each generation. */
  onProgress?: (progress: BatchProgress) => void;
  clock?: () => number;
}

export interface BatchProgress {
  elapsedMilliseconds: number;
  generation: number;
  front(): TradeOffs;
}

/** How far a run came. */
export interface BatchRecord {
  /** Weightings whose placements the search began with. */
  weightings: number;
  /** Of the optimiser; how far the last one came. */
  episodes: number;
  generations: number;
  firstPopulation: number;
}

export const BATCH_STOPS = ['nothing-to-do', 'budget', 'time', 'signal', 'converged'] as const;
export type BatchStop = (typeof BATCH_STOPS)[number];

export interface BatchResult {
  plan: PlacementPlan;
  front: TradeOffs;
  /** The point of the front that the plan is; -1 where there is none. */
  picked: number;
  /** Individuals that the optimiser evaluated; 0 for a single task, whose nodes are all compared. */
  evaluations: number;
  record: BatchRecord;
  stoppedBy: BatchStop;
}

const NOT_RUN: BatchRecord = { weightings: 0, episodes: 0, generations: 0, firstPopulation: 0 };

/**
 * Throws `invalid-request` or `invalid-configuration` for what makes no sense. Tasks that no node can take are no error:
 * they are told in the plan, with what excludes how many nodes.
 */
export async function optimiseBatch(request: BatchRequest, options: BatchOptions): Promise<BatchResult> {
  const clock = options.clock ?? (() => performance.now());
  const startedAt = clock();
  if (options.milliseconds === undefined && options.generations === undefined && options.record === undefined) {
    throw new FogError('invalid-configuration', 'the batch has no budget', {
      hint: 'give milliseconds or generations',
    });
  }
  checkBudget(options);
  const { batch, first, left } = begin(request);
  const finish = (front: TradeOffs, rest: Pick<BatchResult, 'evaluations' | 'record' | 'stoppedBy'>): BatchResult => {
    const picked = front.points.length === 0 ? -1 : pickTradeOff(front, request.pick);
    return { plan: planOf(batch, front, picked, left), front, picked, ...rest };
  };
  if (batch.tasks.length <= 1) {
    const front = singleTaskFront(batch);
    const result = finish(front, { evaluations: 0, record: NOT_RUN, stoppedBy: 'nothing-to-do' });
    options.onFirstPlan?.(result.plan);
    return result;
  }
  options.onFirstPlan?.(firstPlanOf(batch, first, left));
  const search = await Search.prepare(batch, first, options, () => clock() - startedAt);
  const { front, ...rest } = await search.run();
  return finish(front, rest);
}

/** The first plan alone, which `optimiseBatch` begins with; it throws the same. */
export function planAtOnce(request: BatchRequest): PlacementPlan {
  const { batch, first, left } = begin(request);
  return firstPlanOf(batch, first, left);
}

/** The tasks that find a node, and the one that each has found; and the others. */
function begin(request: BatchRequest): { batch: Batch; first: Int32Array; left: LeftTask[] } {
  checkPick(request.pick, [...request.objectives]);
  const whole = batchOf(request.tasks, request.nodes, request.objectives, request.now);
  const admitted = admit(whole);
  const left = leftOf(whole, admitted);
  const batch = left.length === 0 ? whole : batchWithout(whole, admitted);
  return { batch, first: admitted.filter((node) => node !== NOWHERE), left };
}

/** Before anything is computed: a number that is none would end the search at once, or never. */
function checkBudget({ seed, milliseconds = 0, generations = 0, population = 2 }: BatchOptions): void {
  assertWholeNumber('seed', seed, 0, 2 ** 32 - 1);
  assertNumber('milliseconds', milliseconds, 0, Number.MAX_SAFE_INTEGER);
  assertWholeNumber('generations', generations, 0, NSGA2_LIMITS.generations);
  assertWholeNumber('population', population, 2, NSGA2_LIMITS.population);
}

/** Of two ways to fill the nodes, the one that leaves less behind. */
function admit(batch: Batch): Int32Array {
  const first = firstPlacement(batch);
  if (!first.includes(NOWHERE)) return first;
  const packed = new Heuristics(batch, emptyPairTable()).bestFit();
  return weightLeft(batch, packed) < weightLeft(batch, first) ? packed : first;
}

function weightLeft({ tasks }: Batch, placement: Int32Array): number {
  return tasks.reduce((sum, { priority }, task) => sum + (placement[task] === NOWHERE ? 1 + priority : 0), 0);
}

function leftOf(batch: Batch, placement: Int32Array): LeftTask[] {
  return batch.tasks.flatMap((task, index) => {
    if (placement[index] !== NOWHERE) return [];
    const { ready, full, excluded } = feasibility(task, batch.nodes, batch.now);
    return [
      {
        task: task.id,
        reason: ready.length + full.length === 0 ? ('no-node' as const) : ('no-room' as const),
        excluded,
      },
    ];
  });
}

function planOf(batch: Batch, front: TradeOffs, picked: number, left: LeftTask[]): PlacementPlan {
  const point = front.points[picked];
  const rest = { computedAt: batch.now, objectives: [...batch.objectives], values: point?.values ?? [], left };
  return planFrom(batch.tasks, batch.nodes, point?.nodes ?? [], rest);
}

/** Its values are not computed: that would take longer than the plan itself. */
function firstPlanOf(batch: Batch, placement: Int32Array, left: LeftTask[]): PlacementPlan {
  const rest = { computedAt: batch.now, objectives: [...batch.objectives], values: [], left };
  return planFrom(batch.tasks, batch.nodes, placement, rest);
}
