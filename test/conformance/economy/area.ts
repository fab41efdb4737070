import type { ConformanceArea, VectorFile } from '../areas.ts';
import type { Check } from '../vector-shape.ts';
import { convictionChecks } from './conviction.ts';
import { streamChecks } from './escrow-stream.ts';
import { f1Checks } from './f1-distribution.ts';
import { governanceChecks } from './governance.ts';

const CHECKS: readonly { files: RegExp; checks: (file: VectorFile) => Check[] }[] = [
  { files: /^econ\/[^/]*(f1|distribution)[^/]*\.json$/, checks: f1Checks },
  { files: /^econ\/[^/]*(escrow|stream)[^/]*\.json$/, checks: streamChecks },
  { files: /^gov\/[^/]*conviction[^/]*\.json$/, checks: convictionChecks },
  { files: /^gov\/[^/]*\.json$/, checks: governanceChecks },
];

export const ECONOMY_AREA: ConformanceArea = {
  summary:
    "rewards by F1; settlement of streams; scenarios and checkpoints of OpenZeppelin's Governor; conviction voting, values exact, thresholds to 1e-9",
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
