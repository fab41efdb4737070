import type { ConformanceArea, VectorFile } from '../areas.ts';
import type { Check } from '../vector-shape.ts';
import { streamChecks } from './escrow-stream.ts';

const CHECKS: readonly { files: RegExp; checks: (file: VectorFile) => Check[] }[] = [
  { files: /^econ\/[^/]*(escrow|stream)[^/]*\.json$/, checks: streamChecks },
];

export const ECONOMY_AREA: ConformanceArea = {
  summary: 'settlement of streams out of one balance',
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
