import type { ConformanceArea } from '../areas.ts';
import { type Check, readJson } from '../vector-shape.ts';
import { aezChecks } from './aez.ts';
import { backendsNotRun } from './backends.ts';
import { katzenpostChecks } from './katzenpost.ts';
import { sphinxmix2017Checks } from './sphinxmix-2017.ts';

const CHECKS: readonly { folder: string; checks: (content: unknown) => Check[] }[] = [
  { folder: 'aez/', checks: aezChecks },
  { folder: 'katzenpost/', checks: katzenpostChecks },
  { folder: 'sphinxmix-2017/', checks: sphinxmix2017Checks },
];

/** Packets of Katzenpost and of 2017, and AEZ. Katzenpost's wire protocol (`wire_*`) is not ours. */
export const SPHINX_AREA: ConformanceArea = {
  summary: 'Sphinx packets and AEZ v5, byte for byte, on every backend',
  folder: 'vectors',
  files: (path) => folderOf(path) !== undefined && path.endsWith('.json') && !/\/wire_[^/]*$/.test(path),
  cases(file) {
    const checks = folderOf(file.path)?.checks(readJson(file)) ?? [];
    return checks.map(({ name, run }) => ({ name, data: run }));
  },
  run: ({ data }) => (data as Check['run'])(),
  notRun: () => backendsNotRun(),
};

function folderOf(path: string) {
  return CHECKS.find(({ folder }) => path.startsWith(folder));
}
