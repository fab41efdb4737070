/**
 * `npm test`: runs all test files, several processes at a time, and prints one sum in the words of node's test runner.
 * Arguments are parts of paths: `npm test -- packages/contract stories/roots` runs only those. Exit code 1 when a test
 * failed, when a process did not end, or when there was nothing to run.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { globalSetup, globalTeardown } from '../support/whole-suite.ts';
import { COUNT_NAMES, type Counts, endAll, runUnit, type UnitResult } from './test-process.ts';
import { findTestFiles, type TestUnit, unitsOf } from './test-units.ts';

const ROOT = join(import.meta.dirname, '../..');
/**
 * Processes at a time: one more than there are processors. What mostly waits runs beside what computes. With one process
 * more the whole takes as long, and tests that measure time are late. A kind that has run out leaves its places to the
 * other.
 */
const WAITING_PROCESSES = 2;
const BUSY_PROCESSES = Math.max(1, availableParallelism() - 1);

async function main(): Promise<number> {
  const began = performance.now();
  const units = unitsOf(findTestFiles(ROOT, process.argv.slice(2)));
  const left = {
    waiting: units.filter(({ mostlyWaits }) => mostlyWaits),
    busy: units.filter((unit) => !unit.mostlyWaits),
  };
  const results: UnitResult[] = [];
  const work = async (first: TestUnit[], second: TestUnit[]): Promise<void> => {
    for (let unit = first.shift() ?? second.shift(); unit !== undefined; unit = first.shift() ?? second.shift()) {
      const result = await runUnit(unit, ROOT);
      results.push(result);
      print(result);
    }
  };
  await globalSetup();
  try {
    await Promise.all([
      ...Array.from({ length: WAITING_PROCESSES }, () => work(left.waiting, left.busy)),
      ...Array.from({ length: BUSY_PROCESSES }, () => work(left.busy, left.waiting)),
    ]);
  } finally {
    await globalTeardown();
  }
  const sum = sumOf(results);
  for (const name of COUNT_NAMES) process.stdout.write(`ℹ ${name} ${sum[name]}\n`);
  process.stdout.write(`ℹ duration_ms ${(performance.now() - began).toFixed(0)}\n`);
  const failures = results.map((result) => result.failures).filter((text) => text !== '');
  if (failures.length > 0) process.stdout.write(`\n✖ failing tests:\n\n${failures.join('\n\n')}\n`);
  return failures.length === 0 && sum.fail + sum.cancelled === 0 && sum.tests > 0 ? 0 : 1;
}

function print({ unit, text, milliseconds }: UnitResult): void {
  process.stdout.write(`${text}ℹ ${unit.name}: ${(milliseconds / 1000).toFixed(1)} s\n`);
}

function sumOf(results: readonly UnitResult[]): Counts {
  const add = (name: keyof Counts) => results.reduce((total, { counts }) => total + counts[name], 0);
  return Object.fromEntries(COUNT_NAMES.map((name) => [name, add(name)])) as Counts;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    endAll('SIGTERM');
    void globalTeardown().finally(() => process.exit(1));
  });
}
process.exitCode = await main();
