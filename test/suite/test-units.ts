/** Which test files run in a process of their own, which share one, and in which order the processes start. */
import { globSync } from 'node:fs';

export interface TestUnit {
  /** A file, or a folder with the number of its process. */
  name: string;
  /** Relative to the repository, with forward slashes. */
  files: string[];
  mostlyWaits: boolean;
}

const PATTERNS = ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'];

/**
 * Folders whose files share so many processes: to start one and to load what is tested takes longer than most of these
 * files. A file may be here that sets nothing for its whole process: no environment, no folder, no hook outside of
 * `describe` that runs before or after each test.
 */
const SHARED: readonly (readonly [folder: string, processes: number])[] = [
  ['packages/coordinator/test/dispatch/', 3],
  ['packages/coordinator/test/store/', 1],
  ['packages/betanet/test/client/', 1],
  ['packages/betanet/test/directory/', 1],
  ['packages/betanet/test/directory-service/', 1],
  ['packages/betanet/test/lottery/', 1],
  ['packages/betanet/test/mixing/', 1],
  ['packages/scheduler/test/', 2],
  ['packages/contract/test/', 1],
  ['packages/economy/test/ledger/log/', 1],
  ['packages/transport/test/', 1],
  ['packages/verification/test/', 1],
];

/**
 * Networks, whole fogs and containers: they wait more than they compute. The longest come first, so that the end of the
 * run is not one file that all others wait for.
 */
const WAITING = [
  'packages/betanet/test/network/epochs.test.ts',
  'test/stories/checkpoints.test.ts',
  'test/stories/mix-network.test.ts',
  'packages/betanet/test/network/',
  'packages/runtimes/test/docker/',
  'test/stories/native-jobs.test.ts',
  'test/stories/deployments.test.ts',
  'test/stories/published-ports.test.ts',
  'packages/cli/test/fog-up.test.ts',
  'packages/runtimes/test/process/',
  'packages/runtimes/test/network/',
];
/** Of what computes, what takes longest. */
const BUSY_FIRST = ['packages/coordinator/test/', 'test/stories/', 'packages/runtimes/test/javascript/', 'test/fuzz/'];

/** All test files below `root`, or those whose path begins with, or contains, one of `wanted`. */
export function findTestFiles(root: string, wanted: readonly string[]): string[] {
  const files = PATTERNS.flatMap((pattern) => globSync(pattern, { cwd: root }))
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !path.includes('node_modules/'));
  return files.filter((path) => wanted.length === 0 || wanted.some((part) => path.includes(part))).sort();
}

/** Every file is in one unit. */
export function unitsOf(files: readonly string[]): TestUnit[] {
  const units: TestUnit[] = [];
  const folderOf = (file: string) => SHARED.findIndex(([folder]) => file.startsWith(folder));
  for (const [place, members] of Map.groupBy(files, folderOf)) {
    const [folder, processes] = SHARED[place] ?? ['', members.length];
    for (let part = 0; part < Math.min(processes, members.length); part += 1) {
      const own = members.filter((_, index) => index % processes === part);
      const name = own.length === 1 ? String(own[0]) : `${folder} (${part + 1} of ${processes})`;
      units.push({ name, files: own, mostlyWaits: placeIn(WAITING, name) < WAITING.length });
    }
  }
  const rank = ({ name, mostlyWaits }: TestUnit) => placeIn(mostlyWaits ? WAITING : BUSY_FIRST, name);
  return units.sort((left, right) => rank(left) - rank(right));
}

/** That of the first prefix that fits, or behind all of them. */
function placeIn(prefixes: readonly string[], name: string): number {
  const place = prefixes.findIndex((prefix) => name.startsWith(prefix));
  return place === -1 ? prefixes.length : place;
}
