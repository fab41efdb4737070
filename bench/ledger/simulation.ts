/** How many operations the ledger over its log takes on a simulated disk that crashes, before an invariant breaks. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BenchmarkContext } from '../benchmark.ts';

const PROGRAM = join(import.meta.dirname, '../../test/simulate/main.ts');

/** What `npm run simulate -- ledger` says. `broken` tells the invariant that broke, and how to repeat it. */
export async function measureSimulation(context: BenchmarkContext, operations: number) {
  context.progress(`${operations} simulated operations`);
  const given = ['ledger', '--operations', String(operations), '--seed', '1', '--json'];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, ...given]);
    const { operations: done, crashes, tornTails, failedSyncs, seconds } = JSON.parse(stdout) as Record<string, number>;
    context.progress(`${done} operations, ${crashes} crashes in ${seconds} s: no invariant broken`);
    return { operations: done, crashes, tornTails, failedSyncs, seconds, broken: null };
  } catch (error) {
    const { stdout = '', message } = error as { stdout?: string; message: string };
    return { operations: 0, broken: stdout === '' ? message : stdout.trim() };
  }
}
