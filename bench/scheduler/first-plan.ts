/** When the first plan of a batch is there: in a process that has made some, and as the first thing that a process does. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { optimiseBatch, type PlacementPlan } from '../../packages/scheduler/src/placement/index.ts';
import type { BenchmarkContext } from '../benchmark.ts';
import { median, rounded } from '../statistics.ts';
import { BATCH_OBJECTIVES, exceededNodes } from './batch-cases.ts';
import { INSTANCE_NOW, type PlacementInstance, placementInstance } from './placement-instance.ts';

const JOBS = 1000;
const NODES = 500;
const WARM_RUNS = 15;
const WARM_UP = 3;
const PROGRAM = join(import.meta.dirname, 'first-plan-process.ts');

export async function measureFirstPlans(context: BenchmarkContext, freshProcesses: number) {
  const warm: number[] = [];
  let exceeded = 0;
  for (let run = 0; run < WARM_UP + WARM_RUNS; run += 1) {
    const instance = placementInstance(JOBS, NODES, 100 + run);
    const { milliseconds, plan } = await firstPlan(instance, run);
    if (run >= WARM_UP) warm.push(milliseconds);
    exceeded += exceededNodes(instance, [plan]);
  }
  const fresh: number[] = [];
  const warmedUp: number[] = [];
  for (let run = 0; run < freshProcesses; run += 1) {
    fresh.push(await firstOfProcess(100 + run, 'cold'));
    warmedUp.push(await firstOfProcess(100 + run, 'warm'));
  }
  context.progress(
    `first plans after ${warm.map(rounded).join(', ')} ms; fresh: ${fresh.map(rounded).join(', ')} ms; ` +
      `warmed up: ${warmedUp.map(rounded).join(', ')} ms`,
  );
  return {
    firstPlanMilliseconds: rounded(median(warm)),
    firstPlanRange: rangeOf(warm),
    firstPlanFreshProcessMilliseconds: fresh.length === 0 ? null : rounded(median(fresh)),
    firstPlanFreshProcessRange: fresh.length === 0 ? null : rangeOf(fresh),
    /** After what the coordinator's thread does when it starts. */
    firstPlanWarmedUpMilliseconds: warmedUp.length === 0 ? null : rounded(median(warmedUp)),
    firstPlanWarmedUpRange: warmedUp.length === 0 ? null : rangeOf(warmedUp),
    firstPlanNodesOverCapacity: exceeded,
  };
}

async function firstOfProcess(seed: number, how: 'cold' | 'warm'): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, String(seed), how]);
  return Number(stdout);
}

export async function firstPlan(instance: PlacementInstance, seed: number) {
  const stop = new AbortController();
  let first: { milliseconds: number; plan: PlacementPlan } | null = null;
  const startedAt = performance.now();
  await optimiseBatch(
    { ...instance, objectives: BATCH_OBJECTIVES, now: INSTANCE_NOW, pick: { by: 'knee' } },
    {
      seed,
      milliseconds: 0,
      signal: stop.signal,
      onFirstPlan(plan) {
        first = { milliseconds: performance.now() - startedAt, plan };
        stop.abort();
      },
    },
  );
  if (first === null) throw new Error('there was no first plan');
  return first as { milliseconds: number; plan: PlacementPlan };
}

function rangeOf(values: readonly number[]): { least: number; most: number } {
  return { least: rounded(Math.min(...values)), most: rounded(Math.max(...values)) };
}
