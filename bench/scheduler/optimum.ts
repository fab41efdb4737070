/** How far batches are from the exact optimum of each objective alone, on small instances that need most of the room. */
import { OBJECTIVES, optimiseBatch } from '../../packages/scheduler/src/placement/index.ts';
import { exactOptimum, tightInstance } from '../../packages/scheduler/test/placement/exact-optimum.ts';
import { NOW } from '../../packages/scheduler/test/placement/small-fog.ts';
import type { BenchmarkContext } from '../benchmark.ts';
import { rounded } from '../statistics.ts';

const GENERATIONS = 200;

/** `gapToOptimumPercent`: by objective the mean and the worst of so many instances. */
export async function measureGaps(context: BenchmarkContext, instances: number) {
  const gapToOptimumPercent: Record<string, { mean: number; worst: number }> = {};
  for (const name of OBJECTIVES) {
    const gaps: number[] = [];
    for (let seed = 1; seed <= instances; seed += 1) {
      const small = tightInstance(seed);
      const { front } = await optimiseBatch(
        { ...small, objectives: [name], now: NOW, pick: { by: 'knee' } },
        { seed, generations: GENERATIONS },
      );
      const best = exactOptimum(name, small);
      gaps.push(100 * ((front.points[0]?.values[0] ?? Number.POSITIVE_INFINITY) / best - 1));
    }
    // Sums are of whole small units, so that a value may lie below the optimum by their rounding.
    const mean = Math.max(0, gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length);
    gapToOptimumPercent[name] = { mean: rounded(mean), worst: rounded(Math.max(0, ...gaps)) };
    context.progress(`${name}: ${rounded(mean)} % above the optimum, at worst ${gapToOptimumPercent[name].worst} %`);
  }
  return { optimumInstances: instances, gapToOptimumPercent };
}
