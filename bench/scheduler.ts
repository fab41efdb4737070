/**
 * What the scheduler's parts do in how much time, and how well. Each part measures itself, in a file of `scheduler/`.
 *
 * The optimiser: evaluations a second beside DEAP's, times of sorting, and hypervolumes beside those that other programs
 * reach with the same budget (from FOG_VECTORS). Placement: decisions a second, the first plan of a batch, and the time
 * until its front is as good as that of a long run.
 */
import type { Benchmark } from './benchmark.ts';
import { measureEvaluations } from './scheduler/evaluations.ts';
import { measureHypervolumes } from './scheduler/hypervolumes.ts';
import { measurePlacement } from './scheduler/placement.ts';
import { measureSorting } from './scheduler/sorting.ts';

export const scheduler: Benchmark = {
  name: 'scheduler',
  summary: 'the optimiser: evaluations a second beside DEAP, sorting, hypervolumes beside pagmo and pymoo',
  options: {
    runs: { default: 15, description: 'runs of the optimiser that evaluations a second are the median of' },
    seeds: { default: 30, description: 'runs for each hypervolume; 0 measures none' },
    placement: { default: 30, description: 'seconds of the long run of a batch; 0 leaves placement out' },
    peers: { default: 1, description: '0: without DEAP' },
  },
  async run(context) {
    const notMeasured: Record<string, string> = {};
    return {
      ...(await measureEvaluations(context, notMeasured)),
      ...measureSorting(context),
      ...(await measureHypervolumes(context, notMeasured)),
      ...(context.option('placement') === 0 ? {} : await measurePlacement(context, context.option('placement'))),
      notMeasured,
    };
  },
};
