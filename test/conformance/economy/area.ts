import type { ConformanceArea, VectorFile } from '../areas.ts';
import type { Check } from '../vector-shape.ts';
import { f1Checks } from './f1-distribution.ts';

const CHECKS: readonly { files: RegExp; checks: (file: VectorFile) => Check[] }[] = [
  { files: /^econ\/[^/]*(f1|distribution)[^/]*\.json$/, checks: f1Checks },
];

export const ECONOMY_AREA: ConformanceArea = {
  summary: 'F1 distribution',
  folder: 'vectors',
  files: (path) => checksOf(path) !== undefined,
  cases(file) {
    const checks = checksOf(file.path)?.(file) ?? [];
    return checks.map(({ name, run }) => ({ name, data: run }));
  },
  run: ({ data }) => (data as Check['run'])(),
};

function checksOf(path: string) {
  return CHECKS.find(({ files }) => files.test(path))?.checks;
}
