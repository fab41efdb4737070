/** How long a commit takes at a given load, in a process of its own for each load. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BenchmarkContext } from '../benchmark.ts';

interface Load {
  batch: number;
  transfersPerSecond: number;
}

/** What commits are timed under, the first of them for the headline: batches at random moments (exponential pauses), whether answers have come or not. A little more than 300,000, so that chance leaves at least as many. */
const LOADS: readonly Load[] = [
  { batch: 100, transfersPerSecond: 310_000 },
  { batch: 1000, transfersPerSecond: 310_000 },
  { batch: 8190, transfersPerSecond: 310_000 },
  { batch: 1, transfersPerSecond: 2000 },
];

interface CommitFigures {
  /** As they were sent and answered. */
  transfersPerSecond: number;
  p50: number;
  p99: number;
}

const PROGRAM = join(import.meta.dirname, 'commit-process.ts');
/**
 * With the few megabytes that V8 begins with, it collects all of its heap more than once a second, and on two processors
 * each time stops commits for some 15 ms: they would be the 99th percentile.
 */
const NODE_ARGUMENTS = ['--initial-old-space-size=512', '--min-semi-space-size=32'];

export async function measureCommits(context: BenchmarkContext, folder: string, seconds: number) {
  const figures: Record<string, CommitFigures> = {};
  for (const { batch, transfersPerSecond } of LOADS) {
    const given = [join(folder, `load-${batch}`), batch, transfersPerSecond, seconds].map(String);
    const { stdout } = await promisify(execFile)(process.execPath, [...NODE_ARGUMENTS, PROGRAM, ...given]);
    const name = `batches${batch}`;
    figures[name] = JSON.parse(stdout) as CommitFigures;
    context.progress(`commits of ${batch} at ${transfersPerSecond}/s: ${stdout} ms`);
  }
  const [stated] = Object.values(figures);
  return { p99: stated?.p99, transfersPerSecond: stated?.transfersPerSecond, ...figures };
}
