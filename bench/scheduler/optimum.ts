/** How far batches are from the exact optimum of each objective alone, on small instances of several shapes. */
import { OBJECTIVES, type ObjectiveName, optimiseBatch } from '../../packages/scheduler/src/placement/index.ts';
import { exactOptimum } from '../../packages/scheduler/test/placement/exact-optimum.ts';
import { NOW } from '../../packages/scheduler/test/placement/small-fog.ts';
import {
  type SmallShape,
  smallInstance,
  smallShapes,
} from '../../packages/scheduler/test/placement/small-instances.ts';
import type { BenchmarkContext } from '../benchmark.ts';
import { rounded } from '../statistics.ts';

const GENERATIONS = 200;
const AIM_PERCENT = 2;
/** Of the instances of all shapes: none that anything was tuned by. */
const OTHER_SEEDS = 2001;

export interface GapOptions {
  instances: number;
  /** Of each shape. */
  ofShapes: number;
}

interface Gaps {
  mean: number;
  worst: number;
}

interface ShapeGaps extends Gaps {
  /** Instances further away than the aim. */
  far: number;
  /** Instances of which a task found no room; those that the solver finds none for either are left out. */
  left: number;
}

/** `gapToOptimumPercent`: by objective the mean and the worst of so many instances; then the same of each shape. */
export async function measureGaps(context: BenchmarkContext, { instances, ofShapes }: GapOptions) {
  const gapToOptimumPercent: Record<string, Gaps> = {};
  for (const name of OBJECTIVES) {
    const { mean, worst } = await gapsOf('tight', name, 1, instances);
    gapToOptimumPercent[name] = { mean, worst };
    context.progress(`${name}: ${mean} % above the optimum, at worst ${worst} %`);
  }
  const gapToOptimumOfShapes: Record<string, Record<string, ShapeGaps>> = {};
  for (const shape of ofShapes === 0 ? [] : smallShapes) {
    const byObjective: Record<string, ShapeGaps> = {};
    for (const name of OBJECTIVES) byObjective[name] = await gapsOf(shape, name, OTHER_SEEDS, ofShapes);
    gapToOptimumOfShapes[shape] = byObjective;
    context.progress(`${shape}: ${JSON.stringify(byObjective)}`);
  }
  return { optimumInstances: instances, gapToOptimumPercent, gapToOptimumOfShapes };
}

async function gapsOf(shape: SmallShape, name: ObjectiveName, from: number, count: number): Promise<ShapeGaps> {
  const gaps: number[] = [];
  let left = 0;
  for (let seed = from; seed < from + count; seed += 1) {
    const small = smallInstance(shape, seed);
    const best = exactOptimum(name, small);
    if (best === null) continue;
    const request = { ...small, objectives: [name], now: NOW, pick: { by: 'knee' } } as const;
    const { front, plan } = await optimiseBatch(request, { seed, generations: GENERATIONS });
    if (plan.left.length > 0) left += 1;
    else gaps.push(100 * ((front.points[0]?.values[0] ?? Number.POSITIVE_INFINITY) / best - 1));
  }
  // Sums are of whole small units, so that a value may lie below the optimum by their rounding.
  const mean = Math.max(0, gaps.reduce((sum, gap) => sum + gap, 0) / Math.max(1, gaps.length));
  const far = gaps.filter((gap) => gap > AIM_PERCENT).length;
  return { mean: rounded(mean), worst: rounded(Math.max(0, ...gaps)), far, left };
}
