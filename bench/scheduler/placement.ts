/**
 * Placement: decisions a second of the router, and batches: when the first plan is there, and when the front is as good
 * as it gets. The long run is of the same seed as the short one, and looked at on its way.
 */
import { hypervolume } from '../../packages/scheduler/src/nsga2/index.ts';
import {
  type ObjectiveName,
  optimiseBatch,
  ROUTER_STRATEGIES,
  Router,
  type TradeOffs,
} from '../../packages/scheduler/src/placement/index.ts';
import type { BenchmarkContext } from '../benchmark.ts';
import { median, rounded } from '../statistics.ts';
import { INSTANCE_NOW, placementInstance } from './placement-instance.ts';

const JOBS = 1000;
const NODES = 500;
const BATCH_OBJECTIVES: readonly ObjectiveName[] = ['completionTime', 'cost', 'failureRisk'];
const ROUTED_NODES = 5000;
/** Tasks that are placed at a time: older ones are released, so that the nodes stay about half full. */
const ROUTED_TASKS = 10_000;
/** Converged: from then on the hypervolume lacks no more than this share of that at the end. */
const CLOSE = 0.01;

/** `seconds`: of the long run of a batch. */
export async function measurePlacement(context: BenchmarkContext, seconds: number) {
  const decisionsPerSecondByStrategy = Object.fromEntries(
    ROUTER_STRATEGIES.map((strategy) => [strategy, rounded(measureRouter(strategy))]),
  );
  context.progress(`decisions a second: ${JSON.stringify(decisionsPerSecondByStrategy)}`);
  const firstPlans: number[] = [];
  for (let seed = 1; seed <= 9; seed += 1) firstPlans.push(await measureFirstPlan(seed));
  context.progress(`first plans after ${firstPlans.map(rounded).join(', ')} ms`);
  const batch = await measureConvergence(seconds);
  context.progress(
    `${batch.generations} generations in ${seconds} s; converged after ${batch.convergedMilliseconds} ms`,
  );
  return {
    /** Of the slowest strategy. */
    decisionsPerSecond: Math.min(...Object.values(decisionsPerSecondByStrategy)),
    decisionsPerSecondByStrategy,
    /** The very first in a fresh process has its code still to be compiled. */
    firstPlanColdMilliseconds: rounded(firstPlans[0] as number),
    firstPlanMilliseconds: rounded(median(firstPlans.slice(1))),
    ...batch,
  };
}

function measureRouter(strategy: (typeof ROUTER_STRATEGIES)[number]): number {
  const { tasks, nodes } = placementInstance(2 * ROUTED_TASKS, ROUTED_NODES, 1);
  const router = new Router(nodes, { strategy, seed: 1 });
  let startedAt = 0;
  tasks.forEach((task, index) => {
    // The first half fills the nodes, and warms the code up.
    if (index === ROUTED_TASKS) startedAt = performance.now();
    if (index >= ROUTED_TASKS) router.release((tasks[index - ROUTED_TASKS] as (typeof tasks)[number]).id);
    router.place({ ...task, replicaGroup: null }, INSTANCE_NOW);
  });
  return ROUTED_TASKS / ((performance.now() - startedAt) / 1000);
}

async function measureFirstPlan(seed: number): Promise<number> {
  const request = { ...placementInstance(JOBS, NODES, 100 + seed), objectives: BATCH_OBJECTIVES, now: INSTANCE_NOW };
  const stop = new AbortController();
  const startedAt = performance.now();
  let milliseconds = 0;
  await optimiseBatch(
    { ...request, pick: { by: 'knee' } },
    {
      seed,
      milliseconds: 0,
      signal: stop.signal,
      onFirstPlan() {
        milliseconds = performance.now() - startedAt;
        stop.abort();
      },
    },
  );
  return milliseconds;
}

async function measureConvergence(seconds: number) {
  const looks: { atMilliseconds: number; front: TradeOffs }[] = [];
  const request = { ...placementInstance(JOBS, NODES, 1), objectives: BATCH_OBJECTIVES, now: INSTANCE_NOW };
  let generations = 0;
  const { front } = await optimiseBatch(
    { ...request, pick: { by: 'knee' } },
    {
      seed: 1,
      milliseconds: 1000 * seconds,
      isExhaustive: true,
      onProgress({ generation, elapsedMilliseconds, front }) {
        generations = generation;
        const last = looks.at(-1)?.atMilliseconds ?? Number.NEGATIVE_INFINITY;
        // Often in the beginning, where it matters; seldom later, since a look takes time.
        if (elapsedMilliseconds >= last + Math.max(50, last / 20)) {
          looks.push({ atMilliseconds: elapsedMilliseconds, front: front() });
        }
      },
    },
  );
  const volumeOf = volumeAgainst(front);
  const final = volumeOf(front);
  const shares = looks.map((look) => volumeOf(look.front) / final);
  const lastFar = shares.findLastIndex((share) => share < 1 - CLOSE);
  return {
    convergedMilliseconds: rounded(looks[lastFar + 1]?.atMilliseconds ?? 1000 * seconds),
    hypervolumeShares: Object.fromEntries(
      [0, ...looks.keys()]
        .filter((at) => at % 8 === 0)
        .map((at) => [Math.round(looks[at]?.atMilliseconds ?? 0), rounded(shares[at] ?? 0)]),
    ),
    frontPoints: front.points.length,
    generations,
  };
}

/** Hypervolume, each objective scaled to the range of the given front, up to a tenth beyond its worst. */
function volumeAgainst({ points, objectives }: TradeOffs): (front: TradeOffs) => number {
  const column = (at: number) => points.map(({ values }) => values[at] as number);
  const ideal = objectives.map((_, at) => Math.min(...column(at)));
  const width = objectives.map((_, at) => Math.max(...column(at)) - (ideal[at] as number) || 1);
  return (front) =>
    hypervolume(
      front.points.flatMap(({ values }) =>
        values.map((value, at) => (value - (ideal[at] as number)) / (width[at] as number)),
      ),
      front.points.length,
      objectives.map(() => 1.1),
    );
}
