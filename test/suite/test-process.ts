/** One process of a test run: node's own test runner over the files of a unit. */
import { type ChildProcess, spawn } from 'node:child_process';
import { SUITE_LIMITS } from './limits.ts';
import type { TestUnit } from './test-units.ts';

/** Of the sum that node's test runner prints, in its order. */
export const COUNT_NAMES = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo'] as const;
export type Counts = Record<(typeof COUNT_NAMES)[number], number>;

export interface UnitResult {
  unit: TestUnit;
  /** What it printed, without the sum and without the failures. */
  text: string;
  /** The failures with their reasons; empty where all is well. */
  failures: string;
  counts: Counts;
  milliseconds: number;
}

interface Ended {
  said: string;
  code: number | null;
  isOverdue: boolean;
}

const running = new Set<ChildProcess>();

/** Ends all processes with everything that they started in their groups. */
export function endAll(signal: NodeJS.Signals): void {
  for (const child of running) signalGroup(child, signal);
}

/** `mostMilliseconds` is how long its process may take. */
export async function runUnit(
  unit: TestUnit,
  root: string,
  mostMilliseconds: number = SUITE_LIMITS.processMilliseconds,
): Promise<UnitResult> {
  const began = performance.now();
  const ended = await runToEnd(unit, root, mostMilliseconds);
  return { unit, ...readOutput(unit, ended), milliseconds: performance.now() - began };
}

function runToEnd({ files }: TestUnit, root: string, mostMilliseconds: number): Promise<Ended> {
  const shared = files.length > 1 ? ['--test', '--test-isolation=none'] : [];
  const flags = [...shared, '--test-reporter=spec', `--test-timeout=${SUITE_LIMITS.testMilliseconds}`];
  // It prints for people, also where this process is itself a test.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  // In a group of its own, so that whatever it leaves behind can be ended with it.
  const child = spawn(process.execPath, [...flags, ...files], {
    cwd: root,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-SUITE_LIMITS.outputCharacters);
    });
  }
  let isOverdue = false;
  const deadline = setTimeout(() => {
    isOverdue = true;
    signalGroup(child, 'SIGTERM');
    setTimeout(() => signalGroup(child, 'SIGKILL'), SUITE_LIMITS.endMilliseconds);
  }, mostMilliseconds);
  return new Promise((resolve) => {
    const finish = (code: number | null) => {
      clearTimeout(deadline);
      running.delete(child);
      signalGroup(child, 'SIGKILL');
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ said, code, isOverdue });
    };
    child.once('error', (error) => {
      said += `${error.message}\n`;
      finish(null);
    });
    child.once('close', finish);
    child.once('exit', (code) => setTimeout(() => finish(code), SUITE_LIMITS.drainMilliseconds));
  });
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone.
  }
}

const SUM = new RegExp(`^${COUNT_NAMES.map((name) => `ℹ ${name} (\\d+)\\n`).join('')}ℹ duration_ms .*\\n`, 'm');

/** Takes what a process printed apart. A process that failed without a word of a test counts as one that failed. */
export function readOutput(
  unit: TestUnit,
  { said, code, isOverdue }: Ended,
): Omit<UnitResult, 'unit' | 'milliseconds'> {
  const sum = SUM.exec(said);
  const counts = Object.fromEntries(COUNT_NAMES.map((name, index) => [name, Number(sum?.[index + 1] ?? 0)])) as Counts;
  const text = sum === null ? said : said.slice(0, sum.index);
  const rest = sum === null ? '' : said.slice(sum.index + sum[0].length);
  const failures = rest.replace(/^\s*✖ failing tests:\n/, '').trim();
  if (code === 0 && sum !== null && !isOverdue) return { text, failures, counts };
  if (sum !== null && !isOverdue && counts.fail + counts.cancelled > 0) return { text, failures, counts };
  const why = isOverdue ? 'did not end in time and was ended' : `ended with exit code ${code}`;
  const reason = `✖ ${unit.name} ${why}\n  ${unit.files.join('\n  ')}\n\n  what it said last:\n${said.slice(-4000)}`;
  const failed = { ...counts, tests: counts.tests + 1, fail: counts.fail + 1 };
  return { text, failures: [failures, reason].filter((part) => part !== '').join('\n\n'), counts: failed };
}
