import { z } from 'zod';
import type { ConformanceArea, VectorFile } from '../areas.ts';
import { type Check, parseShape, readJson } from '../vector-shape.ts';
import { hypervolumeChecks } from './hypervolume-vectors.ts';
import { indicatorChecks } from './indicator-vectors.ts';
import { parseTable, textOf } from './number-table.ts';
import { isProblemFile, problemChecks } from './problem-vectors.ts';
import { smallCaseChecks } from './small-cases.ts';

const FOLDER = 'moo/';
const FRONT = /\.pf(\.gz)?$/;

/** Standard problems, indicators and fronts, with the answers of others. */
export const MOO_AREA: ConformanceArea = {
  summary: 'the optimiser: fronts, crowding, hypervolume, distances to a front, values of standard problems',
  folder: 'vectors',
  files: (path) => path.startsWith(FOLDER),
  async cases(file) {
    return (await checksOf(file)).map(({ name, run }) => ({ name, data: run }));
  },
  run: ({ data }) => (data as Check['run'])(),
};

async function checksOf(file: VectorFile): Promise<Check[]> {
  const { path } = file;
  if (path.endsWith('.json')) return jsonChecks(readJson(file));
  if (path.includes('_hv/')) return hypervolumeChecks(path, textOf(path, file.content));
  if (path.includes('_indicator_vectors/')) return await indicatorChecks(file);
  if (isProblemFile(path)) return await problemChecks(file);
  if (!FRONT.test(path)) throw new Error('unknown shape: neither points, answers nor a front');
  // Fronts are data, for whoever measures by them.
  parseTable(textOf(path, file.content));
  return [];
}

/** Distributions of what other programs reach: data of the benchmark. */
const distributions = z.looseObject({
  pagmo2_nsga2: z.record(z.string(), z.looseObject({ hv_ref1: z.array(z.number()).length(5) })),
});

function jsonChecks(content: unknown): Check[] {
  if (typeof content === 'object' && content !== null && 'pagmo2_nsga2' in content) {
    parseShape(distributions, content);
    return [];
  }
  return smallCaseChecks(content);
}
