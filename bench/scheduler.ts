/**
 * What the scheduler's parts do in how much time, and how well. Each part measures itself, in a file of `scheduler/`.
 *
 * The optimiser: evaluations a second beside DEAP's, times of sorting, and hypervolumes beside those that other programs
 * reach with the same budget (from FOG_VECTORS).
 */
import type { Benchmark } from './benchmark.ts';
import { measureEvaluations } from './scheduler/evaluations.ts';
import { measureHypervolumes } from './scheduler/hypervolumes.ts';
import { measureSorting } from './scheduler/sorting.ts';

export const scheduler: Benchmark = {
  name: 'scheduler',
  summary: 'the optimiser: evaluations a second beside DEAP, sorting, hypervolumes beside pagmo and pymoo',
  options: {
    runs: { default: 15, description: 'runs of the optimiser that evaluations a second are the median of' },
    seeds: { default: 30, description: 'runs for each hypervolume; 0 measures none' },
    peers: { default: 1, description: '0: without DEAP' },
  },
  async run(context) {
    const notMeasured: Record<string, string> = {};
    return {
      ...(await measureEvaluations(context, notMeasured)),
      ...measureSorting(context),
      ...(await measureHypervolumes(context, notMeasured)),
      notMeasured,
    };
  },
};
