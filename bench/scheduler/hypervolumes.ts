/**
 * Hypervolumes of what the optimiser finds in 25,000 evaluations, beside those of other programs with the same budget.
 *
 * Theirs stand in `moo/reference_distributions.json` of FOG_VECTORS: for each problem the range of the front, by which
 * objectives are normalised, and the quartiles over seeds of the hypervolume up to the point (1, ..., 1).
 */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { type Front, hypervolume, optimise, standardProblem } from '../../packages/scheduler/src/nsga2/index.ts';
import type { BenchmarkContext } from '../benchmark.ts';
import { median } from '../statistics.ts';

const EVALUATIONS = 25_000;
const PROGRAMS = { pagmo2_nsga2: 'pagmo', pymoo_nsga2: 'pymoo' } as const;

const distribution = z.looseObject({
  lo: z.array(z.number()),
  hi: z.array(z.number()),
  front_hv_ref1: z.number(),
  /** Least, quartiles, most. */
  hv_ref1: z.tuple([z.number(), z.number(), z.number(), z.number(), z.number()]),
});
const fileSchema = z.looseObject({
  pagmo2_nsga2: z.record(z.string(), distribution),
  pymoo_nsga2: z.record(z.string(), distribution),
});
type Distribution = z.output<typeof distribution>;

export async function measureHypervolumes(context: BenchmarkContext, notMeasured: Record<string, string>) {
  if (context.option('seeds') === 0) {
    notMeasured.hypervolumes = 'left out by --seeds 0';
    return { hypervolumes: null };
  }
  const path = join(resolve(process.env.FOG_VECTORS || '../shared/vectors'), 'moo/reference_distributions.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    notMeasured.hypervolumes = `there is no ${path}: set FOG_VECTORS`;
    return { hypervolumes: null };
  }
  const file = fileSchema.parse(JSON.parse(text));
  const hypervolumes: Record<string, Record<string, unknown>> = {};
  const below: string[] = [];
  for (const [key, program] of Object.entries(PROGRAMS)) {
    for (const [name, theirs] of Object.entries(file[key as keyof typeof PROGRAMS])) {
      const figures = { ...(await measureProblem(context, name, theirs)), bound: theirs.front_hv_ref1 };
      const [least, , middle, , most] = theirs.hv_ref1;
      hypervolumes[`${program} ${name}`] = { ...figures, band: { least, median: middle, most } };
      if (figures.median < least) below.push(`${program} ${name}`);
      context.progress(`${program} ${name}: ${figures.median.toFixed(5)}, band ${least} to ${most}`);
    }
  }
  return { hypervolumes, hypervolumesBelowBand: below };
}

async function measureProblem(context: BenchmarkContext, name: string, { lo, hi }: Distribution) {
  const volumes: number[] = [];
  for (let seed = 1; seed <= context.option('seeds'); seed += 1) {
    const { front } = await optimise(standardProblem(name), { seed }, { budget: { evaluations: EVALUATIONS } });
    volumes.push(normalisedVolume(front, lo, hi));
  }
  const five = (value: number) => Number(value.toFixed(5));
  return { median: five(median(volumes)), least: five(Math.min(...volumes)), most: five(Math.max(...volumes)) };
}

/** Nothing, where not even the best meet the constraints. */
function normalisedVolume(front: Front, lo: readonly number[], hi: readonly number[]): number {
  if (front.violations.some((violation) => violation > 0)) return 0;
  const normalised = front.objectives.map((value, at) => {
    const low = lo[at % lo.length] as number;
    return (value - low) / ((hi[at % lo.length] as number) - low);
  });
  return hypervolume(
    normalised,
    front.count,
    lo.map(() => 1),
  );
}
