/** Finds the vectors of areas and runs them. */
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Areas, CaseOptions, ConformanceArea } from './areas.ts';

export interface ConformanceFolders {
  vectors: string;
  traces: string;
}

export interface ConformanceOptions {
  areas: Areas;
  /** Names to run; none is all. */
  names: readonly string[];
  folders: ConformanceFolders;
  /** Machines of the continuous integration have no data; everywhere else a missing folder is a failure. */
  isCi: boolean;
  /** Whether areas may leave out cases that take long; false when it is left out. */
  isQuick?: boolean;
  print: (line: string) => void;
}

interface Counts {
  passed: number;
  failed: number;
  /** Areas whose folder does not exist. */
  skipped: number;
}

const VARIABLES = { vectors: 'FOG_VECTORS', traces: 'FOG_TRACES' } as const;

/**
 * Runs the areas, prints every failure, what this machine cannot run, and the sum. Answers the exit code: 0; 1 when a
 * case failed or an area has files but no case, or no files; 2 when a name is not that of an area.
 */
export async function runConformance({
  areas,
  names,
  folders,
  isCi,
  isQuick = false,
  print,
}: ConformanceOptions): Promise<0 | 1 | 2> {
  const unknown = names.filter((name) => !areas.has(name));
  if (unknown.length > 0) {
    const known = [...areas.keys()].sort().join(', ') || 'none yet';
    print(`unknown area ${unknown.map((name) => `"${name}"`).join(', ')}; the areas are: ${known}`);
    return 2;
  }
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  let isComplete = true;
  for (const [name, area] of areas) {
    if (names.length > 0 && !names.includes(name)) continue;
    const before = counts.passed + counts.failed + counts.skipped;
    await runArea(name, area, { folders, isCi, isQuick }, counts, print);
    if (counts.passed + counts.failed + counts.skipped > before) continue;
    print(`${name}: no cases found in ${folders[area.folder]}`);
    isComplete = false;
  }
  if (areas.size === 0) print('there is no area yet');
  print(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 && isComplete ? 0 : 1;
}

async function runArea(
  name: string,
  area: ConformanceArea,
  { folders, isCi, isQuick }: Pick<ConformanceOptions, 'folders' | 'isCi'> & CaseOptions,
  counts: Counts,
  print: (line: string) => void,
): Promise<void> {
  const folder = folders[area.folder];
  const paths = await filesUnder(folder);
  if (paths === null) {
    if (!isCi) return;
    print(`skipped: ${VARIABLES[area.folder]} not found`);
    counts.skipped += 1;
    return;
  }
  for (const reason of area.notRun?.() ?? []) print(`not run: ${name}: ${reason}`);
  for (const path of paths.filter((candidate) => area.files(candidate))) {
    await runFile({ name, area, folder, path, isQuick }, counts, print);
  }
}

async function runFile(
  {
    name,
    area,
    folder,
    path,
    isQuick,
  }: { name: string; area: ConformanceArea; folder: string; path: string } & CaseOptions,
  counts: Counts,
  print: (line: string) => void,
): Promise<void> {
  const fail = (what: string, error: unknown) => {
    counts.failed += 1;
    print(`failed: ${name}: ${what}: ${error instanceof Error ? error.message : String(error)}`);
  };
  try {
    const content = await readFile(join(folder, path));
    const sibling = (other: string) => readIfThere(join(folder, other));
    const file = { path, content, sibling };
    for (const left of area.leftOut?.(file) ?? []) print(`not run: ${name}: ${path}: ${left}`);
    for (const test of await area.cases(file, { isQuick })) {
      try {
        await area.run(test);
        counts.passed += 1;
      } catch (error) {
        fail(`${path}: ${test.name}`, error);
      }
    }
  } catch (error) {
    fail(path, error);
  }
}

async function readIfThere(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Relative paths of all files, sorted; null when there is no such folder. */
async function filesUnder(folder: string): Promise<string[] | null> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    return files.map((file) => file.slice(folder.length + 1).replaceAll(sep, '/')).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
