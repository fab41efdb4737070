/**
 * Placement: decisions a second of the router, and batches: when the first plan is there, and when the front is as good
 * as it gets. The long run is of the same seed as the short one, and looked at on its way.
 */
import { hypervolume } from '../../packages/scheduler/src/nsga2/index.ts';
import {
  assignmentsOf,
  optimiseBatch,
  ROUTER_STRATEGIES,
  Router,
  type TradeOffs,
} from '../../packages/scheduler/src/placement/index.ts';
import type { BenchmarkContext } from '../benchmark.ts';
import { rounded } from '../statistics.ts';
import { BATCH_OBJECTIVES, type BatchCase, exceededNodes, otherBatchCases, withDistinctNeeds } from './batch-cases.ts';
import { measureFirstPlans } from './first-plan.ts';
import { INSTANCE_NOW, placementInstance } from './placement-instance.ts';

const JOBS = 1000;
const NODES = 500;
const ROUTED_NODES = 5000;
/** Tasks that are placed at a time: older ones are released, so that the nodes stay about half full. */
const ROUTED_TASKS = 10_000;
/** Converged: from then on the hypervolume lacks no more than this share of that at the end. */
const CLOSE = 0.01;

export interface PlacementOptions {
  /** Of the long run of a batch. */
  seconds: number;
  /** Of the long runs of batches of other makes; 0 leaves them out. */
  otherSeconds: number;
  freshProcesses: number;
}

export async function measurePlacement(context: BenchmarkContext, options: PlacementOptions) {
  const decisionsPerSecondByStrategy = Object.fromEntries(
    ROUTER_STRATEGIES.map((strategy) => [strategy, rounded(measureRouter(strategy, false))]),
  );
  const decisionsPerSecondOfDistinctNeeds = Object.fromEntries(
    ROUTER_STRATEGIES.map((strategy) => [strategy, rounded(measureRouter(strategy, true))]),
  );
  context.progress(`decisions a second: ${JSON.stringify(decisionsPerSecondByStrategy)}`);
  context.progress(`where no two tasks need the same: ${JSON.stringify(decisionsPerSecondOfDistinctNeeds)}`);
  const firstPlans = await measureFirstPlans(context, options.freshProcesses);
  const main = { name: 'main', instance: placementInstance(JOBS, NODES, 1), objectives: BATCH_OBJECTIVES };
  const batch = await measureConvergence(context, main, options.seconds);
  const otherBatches: Record<string, unknown> = {};
  const others = options.otherSeconds === 0 ? [] : otherBatchCases();
  const measured: Awaited<ReturnType<typeof measureConvergence>>[] = [batch];
  for (const other of others) {
    const figures = await measureConvergence(context, other, options.otherSeconds);
    const { convergedMilliseconds, frontPoints, leftTasks } = figures;
    otherBatches[other.name] = { convergedMilliseconds, frontPoints, leftTasks };
    measured.push(figures);
  }
  return {
    /** Of the slowest strategy. */
    decisionsPerSecond: Math.min(...Object.values(decisionsPerSecondByStrategy)),
    decisionsPerSecondByStrategy,
    decisionsPerSecondOfDistinctNeeds,
    ...firstPlans,
    ...batch,
    otherBatches,
    /** Nodes that any placement of any front gives more than they have, and that a first plan does. */
    capacityViolations: measured.reduce(
      (sum, { capacityViolations }) => sum + capacityViolations,
      firstPlans.firstPlanNodesOverCapacity,
    ),
  };
}

function measureRouter(strategy: (typeof ROUTER_STRATEGIES)[number], hasDistinctNeeds: boolean): number {
  const drawn = placementInstance(2 * ROUTED_TASKS, ROUTED_NODES, 1);
  const { tasks, nodes } = hasDistinctNeeds ? withDistinctNeeds(drawn) : drawn;
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

async function measureConvergence(
  context: BenchmarkContext,
  { name, instance, objectives }: BatchCase,
  seconds: number,
) {
  const looks: { atMilliseconds: number; front: TradeOffs }[] = [];
  const request = { ...instance, objectives, now: INSTANCE_NOW };
  let generations = 0;
  const { front, plan } = await optimiseBatch(
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
  const convergedMilliseconds = rounded(looks[lastFar + 1]?.atMilliseconds ?? 1000 * seconds);
  context.progress(`${name}: ${generations} generations in ${seconds} s; converged after ${convergedMilliseconds} ms`);
  const plans = front.points.map((_, point) => ({ assignments: assignmentsOf(front, point) }));
  return {
    convergedMilliseconds,
    leftTasks: plan.left.length,
    capacityViolations: exceededNodes(instance, plans),
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
