/**
 * What the scheduler's parts do in how much time, and how well. Each part measures itself, in a file of `scheduler/`.
 *
 * The optimiser: evaluations a second beside DEAP's, times of sorting, and hypervolumes beside those that other programs
 * reach with the same budget (from FOG_VECTORS). Placement: decisions a second, the first plan of a batch, and the time
 * until its front is as good as that of a long run, of several makes of batches; and small batches beside the exact optimum.
 *
 * In short: `--seeds 1 --placement 2 --others 1 --fresh 2 --optimum 2 --shapes 0 --runs 3`.
 */
import type { Benchmark, BenchmarkContext } from './benchmark.ts';
import { measureEvaluations } from './scheduler/evaluations.ts';
import { measureHypervolumes } from './scheduler/hypervolumes.ts';
import { measureGaps } from './scheduler/optimum.ts';
import { measurePlacement, type PlacementOptions } from './scheduler/placement.ts';
import { measureSorting } from './scheduler/sorting.ts';

export const scheduler: Benchmark = {
  name: 'scheduler',
  summary:
    'the optimiser beside DEAP, pagmo and pymoo; placement: decisions a second, first plans, fronts, exact optima',
  options: {
    runs: { default: 15, description: 'runs of the optimiser that evaluations a second are the median of' },
    seeds: { default: 30, description: 'runs for each hypervolume; 0 measures none' },
    placement: { default: 30, description: 'seconds of the long run of a batch; 0 leaves placement out' },
    others: { default: 8, description: 'seconds of the long runs of batches of other makes; 0 leaves them out' },
    fresh: { default: 9, description: 'fresh processes that make a first plan each' },
    optimum: {
      default: 40,
      description: 'small instances beside their exact optimum, for each objective; 0 leaves it out',
    },
    shapes: { default: 40, description: 'the same of instances of several shapes, so many of each' },
    peers: { default: 1, description: '0: without DEAP' },
  },
  async run(context) {
    const notMeasured: Record<string, string> = {};
    return {
      ...(await measureEvaluations(context, notMeasured)),
      ...measureSorting(context),
      ...(await measureHypervolumes(context, notMeasured)),
      ...(context.option('placement') === 0 ? {} : await measurePlacement(context, placementOptions(context))),
      ...(context.option('optimum') === 0 ? {} : await measureGaps(context, gapOptions(context))),
      notMeasured,
    };
  },
};

function gapOptions(context: BenchmarkContext) {
  return { instances: context.option('optimum'), ofShapes: context.option('shapes') };
}

function placementOptions(context: BenchmarkContext): PlacementOptions {
  return {
    seconds: context.option('placement'),
    otherSeconds: context.option('others'),
    freshProcesses: context.option('fresh'),
  };
}
