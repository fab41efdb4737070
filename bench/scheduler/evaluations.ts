/** Evaluations a second on ZDT1: 30 variables, population 100, 25,000 evaluations, one thread; DEAP doing the same. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { optimise, standardProblem } from '../../packages/scheduler/src/nsga2/index.ts';
import type { BenchmarkContext } from '../benchmark.ts';
import { median, rounded } from '../statistics.ts';

const EVALUATIONS = 25_000;
const POPULATION = 100;
/** The first runs compile what the others measure. */
const WARM_UP = 3;
const DEAP_RUNS = 3;
const DEAP_PROGRAM = join(import.meta.dirname, '../peers/deap-zdt1.py');
/** Debian's own, which sees Debian's packages, before another one. */
const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
const DEAP_MILLISECONDS = 120_000;

export async function measureEvaluations(context: BenchmarkContext, notMeasured: Record<string, string>) {
  const rates: number[] = [];
  for (let run = 0; run < WARM_UP + context.option('runs'); run += 1) {
    const startedAt = performance.now();
    const { evaluations } = await optimise(
      standardProblem('zdt1'),
      { seed: run, population: POPULATION },
      { budget: { evaluations: EVALUATIONS } },
    );
    if (run >= WARM_UP) rates.push(evaluations / ((performance.now() - startedAt) / 1000));
  }
  const ours = rounded(median(rates));
  context.progress(`${ours} evaluations a second, ${rounded(Math.min(...rates))} to ${rounded(Math.max(...rates))}`);
  return { evaluationsPerSecond: { ours, deap: await measureDeap(context, notMeasured) } };
}

async function measureDeap(context: BenchmarkContext, notMeasured: Record<string, string>): Promise<number | null> {
  if (context.option('peers') === 0) {
    notMeasured.deap = 'left out by --peers 0';
    return null;
  }
  const rates: number[] = [];
  for (let run = 0; run < DEAP_RUNS; run += 1) {
    try {
      const parameters = [DEAP_PROGRAM, String(run), String(EVALUATIONS), String(POPULATION)];
      const { stdout } = await promisify(execFile)(PYTHON, parameters, { timeout: DEAP_MILLISECONDS });
      const answer = JSON.parse(stdout) as { evaluations: number; seconds: number };
      rates.push(answer.evaluations / answer.seconds);
    } catch (error) {
      notMeasured.deap = reasonOf(error);
      context.progress(`without DEAP: ${notMeasured.deap}`);
      return null;
    }
  }
  context.progress(`DEAP: ${rounded(median(rates))} evaluations a second`);
  return rounded(median(rates));
}

function reasonOf(error: unknown): string {
  const { stderr = '', message = String(error) } = error as { stderr?: string; message?: string };
  if (stderr.includes("No module named 'deap'")) return 'DEAP is not installed: apt-get install python3-deap';
  return stderr.trim().split('\n').at(-1) || (message.split('\n')[0] ?? message);
}
