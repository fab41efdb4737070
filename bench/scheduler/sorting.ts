/** How long sorting into fronts takes, of points that are uniform in the unit cube. */
import { NondominatedSorter } from '../../packages/scheduler/src/nsga2/index.ts';
import { RandomNumbers } from '../../packages/scheduler/src/random-numbers.ts';
import type { BenchmarkContext } from '../benchmark.ts';
import { median, rounded } from '../statistics.ts';

/** Other points each time: the order of the same ones would be learnt by the processor. */
const SETS = 16;

const CASES: readonly { points: number; objectives: number; repetitions: number }[] = [
  { points: 200, objectives: 2, repetitions: 4000 },
  { points: 200, objectives: 3, repetitions: 1000 },
  { points: 2000, objectives: 3, repetitions: 100 },
  { points: 2000, objectives: 5, repetitions: 100 },
  { points: 20_000, objectives: 2, repetitions: 32 },
  { points: 20_000, objectives: 3, repetitions: 8 },
];

export function measureSorting(context: BenchmarkContext) {
  const sortMicroseconds: Record<string, number> = {};
  for (const { points, objectives, repetitions } of CASES) {
    const name = `points${points}Objectives${objectives}`;
    sortMicroseconds[name] = rounded(timeOf(points, objectives, repetitions));
    context.progress(`sorting ${points} points of ${objectives} objectives: ${sortMicroseconds[name]} microseconds`);
  }
  return { sortMicroseconds };
}

function timeOf(count: number, objectives: number, repetitions: number): number {
  const random = new RandomNumbers(1);
  const sets = Array.from({ length: SETS }, () =>
    Float64Array.from({ length: count * objectives }, () => random.unit()),
  );
  const sorter = new NondominatedSorter();
  const ranks = new Int32Array(count);
  const order = new Int32Array(count);
  const times: number[] = [];
  for (let run = 0; run < repetitions; run += 1) {
    const startedAt = performance.now();
    sorter.rank(sets[run % SETS] as Float64Array, count, objectives, ranks, order);
    times.push((performance.now() - startedAt) * 1000);
  }
  return median(times.slice(repetitions >> 2));
}
