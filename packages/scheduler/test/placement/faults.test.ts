/** Nine faults that placement has had elsewhere; each of these tests fails where one of them is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError, parseConstraint } from '@fog/contract';
import { Nsga2 } from '../../src/nsga2/index.ts';
import { Archive } from '../../src/placement/batch/archive.ts';
import { batchOf } from '../../src/placement/batch/batch.ts';
import { BatchProblem } from '../../src/placement/batch/batch-problem.ts';
import { pairTableOf } from '../../src/placement/batch/pair-table.ts';
import { Scores } from '../../src/placement/batch/scores.ts';
import {
  type NodeOffer,
  nodeOffer,
  type ObjectiveName,
  optimiseBatch,
  pickTradeOff,
  ROUTER_STRATEGIES,
  Router,
  scanNodes,
  startMilliseconds,
  type TaskToPlace,
  type TradeOffs,
} from '../../src/placement/index.ts';
import { NOW, node, processors, task } from './small-fog.ts';

const SHORT = { seed: 1, generations: 40 };

function bestNode(
  wanted: TaskToPlace,
  nodes: readonly NodeOffer[],
  objective: ObjectiveName = 'completionTime',
): string {
  const { node: index } = scanNodes(wanted, nodes, { by: 'weights', weights: { [objective]: 1 } }, NOW);
  return nodes[index]?.id ?? '';
}

test('fault 1: the pick prefers trusted nodes, not distrusted ones', async () => {
  const nodes = [
    node('doubtful', { reputation: 0.1 }),
    node('trusted', { reputation: 0.99 }),
    node('middling', { reputation: 0.5 }),
  ];
  assert.equal(bestNode(task('a'), nodes, 'failureRisk'), 'trusted');
  const { plan, front } = await optimiseBatch(
    { tasks: [task('a'), task('b')], nodes, objectives: ['failureRisk'], now: NOW, pick: { by: 'knee' } },
    SHORT,
  );
  assert.deepEqual(
    plan.assignments.map((each) => each.node),
    ['trusted', 'trusted'],
  );
  // Of two points that differ in trust alone each rule picks the one of less risk.
  const points = [0.9, 0.1].map((risk) => ({ values: [1, risk], violation: 0, nodes: [] }));
  const two: TradeOffs = { ...front, objectives: ['cost', 'failureRisk'], points };
  for (const rule of [{ by: 'knee' }, { by: 'weights', weights: { failureRisk: 1, cost: 1 } }] as const) {
    assert.equal(pickTradeOff(two, rule), 1);
  }
});

test('fault 2: a hundred tasks that each fit do not all land on one node', async () => {
  const nodes = Array.from({ length: 30 }, (_, index) => node(`n${index}`, { speed: index === 0 ? 100 : 1 }));
  const tasks = Array.from({ length: 100 }, (_, index) => task(`t${index}`));
  const { plan } = await optimiseBatch(
    { tasks, nodes, objectives: ['completionTime'], now: NOW, pick: { by: 'knee' } },
    { seed: 1, generations: 5 },
  );
  const counts = Object.values(Object.groupBy(plan.assignments, (each) => each.node)).map((each) => each?.length ?? 0);
  assert.equal(plan.assignments.length, 100);
  assert.ok(Math.max(...counts) <= 4, 'each node has four processors');
  for (const strategy of ROUTER_STRATEGIES) {
    const router = new Router(nodes.slice(0, 2), { strategy, seed: 1 });
    for (let index = 0; index < 8; index += 1) router.place(task(`t${index}`), NOW);
    assert.throws(() => router.place(task('one more'), NOW), { code: 'unavailable' }, strategy);
  }
});

test('fault 3: seconds of transfer and milliseconds of latency are not added up as they are', () => {
  // 10 MB at 8 Mbit/s are 10 seconds; 500 ms of latency are little beside them.
  const inputs = [{ bytes: 10_000_000, nodes: ['has-it'] }];
  const slow = node('slow', { latencyMilliseconds: 1, downloadBitsPerSecond: 8_000_000 });
  const remote = node('has-it', { latencyMilliseconds: 500, downloadBitsPerSecond: 8_000_000 });
  assert.equal(startMilliseconds(task('a', { inputs }), slow), 10_001);
  assert.equal(startMilliseconds(task('a', { inputs }), remote), 500);
  assert.equal(bestNode(task('a', { inputs }), [slow, remote]), 'has-it');
});

test('fault 4: infeasibility is graded, and children of infeasible parents can be feasible', async () => {
  const nodes = [node('late', { speed: 0.5 }), node('punctual', { capacity: processors(8), speed: 2 })];
  const deadline = { atMilliseconds: NOW + 40_000, isStrict: false };
  const tasks = Array.from({ length: 6 }, (_, index) => task(`t${index}`, { deadline }));
  const batch = batchOf(tasks, nodes, ['cost'], NOW);
  const scores = new Scores(batch, pairTableOf(batch));
  const violation = (genes: number[]) =>
    scores.evaluate(Int32Array.from(genes), 0, new Float64Array(1), 0, new Float64Array(scores.stateNumbers), 0);
  const graded = [
    [0, 0, 0, 1, 1, 1],
    [0, 0, 1, 1, 1, 1],
    [0, 1, 1, 1, 1, 1],
    [1, 1, 1, 1, 1, 1],
  ].map(violation);
  assert.ok((graded[0] as number) > (graded[1] as number) && (graded[1] as number) > (graded[2] as number));
  assert.equal(graded[3], 0);
  assert.deepEqual(
    [violation([0, 0, 0, 1, 1, 1]), violation([0, 0, 0, 1, 1, 1])],
    [graded[0], graded[0]],
    'nothing piles up',
  );
  // All that the search begins with is infeasible, and it still finds its way.
  const problem = new BatchProblem(
    batch,
    pairTableOf(batch),
    scores,
    [1],
    new Archive([{ values: Float64Array.of(0) }]),
  );
  problem.seeds = [Int32Array.of(0, 0, 0, 0, 1, 1)];
  const search = new Nsga2(problem, { seed: 1, population: 4, seededShare: 1 });
  for (let slot = 0; slot < 4; slot += 1) search.breeder.createIndividual(slot);
  search.settle(4);
  for (let generation = 0; generation < 100; generation += 1) search.advance();
  assert.equal(search.front().violations[0], 0);
});

test('fault 5: crowding is measured within a front: each of its ends has all the room there is', () => {
  const nodes = Array.from({ length: 6 }, (_, index) =>
    node(`n${index}`, { speed: 1 + index, priceMicroFogPerSlice: 10 * index * index, capacity: processors(20) }),
  );
  const tasks = Array.from({ length: 10 }, (_, index) =>
    task(`t${index}`, { expectedRunMilliseconds: 50_000 + 7000 * index }),
  );
  const batch = batchOf(tasks, nodes, ['completionTime', 'cost'], NOW);
  const table = pairTableOf(batch);
  const archive = new Archive([{ values: Float64Array.of(0, 0) }]);
  const search = new Nsga2(new BatchProblem(batch, table, new Scores(batch, table), [1, 1], archive), {
    seed: 1,
    population: 40,
  });
  for (let slot = 0; slot < 40; slot += 1) search.breeder.createIndividual(slot);
  search.settle(40);
  const { ranks, distances, rows, objectives } = search.population;
  const fronts = [0, 1, 2].map((rank) => [...ranks.keys()].filter((at) => ranks[at] === rank));
  assert.ok(
    fronts.every((front) => front.length > 2),
    'there are several fronts',
  );
  for (const front of fronts) {
    const costOf = (at: number) => objectives[2 * (rows[at] as number) + 1] as number;
    const ends = front.toSorted((left, right) => costOf(left) - costOf(right));
    for (const end of [ends[0], ends.at(-1)]) assert.equal(distances[end as number], Infinity);
  }
});

test('fault 6: latency, cost, deadline, region and priority that are asked for decide', async () => {
  const near = node('near', { latencyMilliseconds: 5, region: 'eu', priceMicroFogPerSlice: 900, speed: 0.5 });
  const far = node('far', { latencyMilliseconds: 200, region: 'us', priceMicroFogPerSlice: 100, speed: 2 });
  const both = [near, far];
  assert.equal(bestNode(task('a'), both), 'far');
  assert.equal(bestNode(task('a', { latencyCapMilliseconds: 100 }), both), 'near');
  assert.equal(bestNode(task('a', { regions: ['eu'] }), both), 'near');
  assert.equal(
    bestNode(task('a'), [near, node('quick', { ...far, id: 'quick', speed: 9, priceMicroFogPerSlice: 5000 })]),
    'quick',
  );
  assert.equal(
    bestNode(task('a', { priceCapMicroFog: 1000 }), [near, node('quick', { speed: 9, priceMicroFogPerSlice: 5000 })]),
    'near',
  );
  const soon = { atMilliseconds: NOW + 35_000, isStrict: false };
  assert.equal(bestNode(task('a'), both, 'cost'), 'far');
  const cheap = { ...far, speed: 0.5 };
  const prompt = { ...near, speed: 2 };
  assert.equal(bestNode(task('a'), [prompt, cheap], 'cost'), 'far');
  assert.equal(bestNode(task('a', { deadline: soon }), [prompt, cheap], 'cost'), 'near');
  assert.equal(
    bestNode(task('a', { constraints: [parseConstraint('gpu')] }), [far, { ...near, labels: { gpu: '1' } }]),
    'near',
  );
  // The one fast place goes to whoever is more urgent.
  const nodes = [node('fast', { capacity: processors(1), speed: 4 }), node('slow', { capacity: processors(1) })];
  const tasks = [task('low', { priority: 1 }), task('high', { priority: 99 })];
  const request = { tasks, nodes, objectives: ['completionTime'], now: NOW, pick: { by: 'knee' } } as const;
  const { plan } = await optimiseBatch(request, SHORT);
  assert.equal(plan.assignments.find((each) => each.task === 'high')?.node, 'fast');
});

test('fault 7: the search ends when no objective gets better, by shares; each individual is evaluated once', async () => {
  const nodes = Array.from({ length: 6 }, (_, index) =>
    node(`n${index}`, { speed: 1 + index, priceMicroFogPerSlice: 100 * index }),
  );
  const tasks = Array.from({ length: 12 }, (_, index) => task(`t${index}`));
  // Nothing but cost can get better, and times are of days: a threshold in milliseconds of latency would never tell.
  const request = { tasks, nodes, objectives: ['completionTime', 'cost'], now: NOW, pick: { by: 'knee' } } as const;
  const converged = await optimiseBatch(request, { seed: 1, generations: 2000 });
  assert.equal(converged.stoppedBy, 'converged');
  const exhaustive = await optimiseBatch(request, { seed: 1, generations: 60, isExhaustive: true });
  assert.equal(exhaustive.stoppedBy, 'budget');
  assert.equal(exhaustive.evaluations, 100 * (60 + exhaustive.record.episodes), 'one first population an episode');
  // A child differs from its parents: mutation is not gated twice, so that hardly any gene ever changed.
  const batch = batchOf(tasks, nodes, ['cost'], NOW);
  const table = pairTableOf(batch);
  const problem = new BatchProblem(
    batch,
    table,
    new Scores(batch, table),
    [1],
    new Archive([{ values: Float64Array.of(0) }]),
  );
  problem.seeds = [new Int32Array(12).fill(0), new Int32Array(12).fill(1)];
  const search = new Nsga2(problem, { seed: 1, population: 100, seededShare: 1 });
  for (let slot = 2; slot < 100; slot += 1) search.breeder.createIndividual(slot);
  const { genes, rows } = search.population;
  const texts = [...rows.subarray(2, 100)].map((row) => genes.subarray(12 * row, 12 * (row + 1)).join());
  assert.ok(new Set(texts).size > 60);
});

test('fault 8: at most four objectives, none twice; a single task is compared on all nodes, without a search', async () => {
  const nodes = [node('dear', { priceMicroFogPerSlice: 50 }), node('cheap', { priceMicroFogPerSlice: 5 })];
  const request = { tasks: [task('a')], nodes, now: NOW, pick: { by: 'knee' } } as const;
  const five: ObjectiveName[] = ['completionTime', 'cost', 'energy', 'failureRisk', 'fairness'];
  for (const objectives of [five, [], ['cost', 'cost'], ['speed' as ObjectiveName]] as ObjectiveName[][]) {
    await assert.rejects(optimiseBatch({ ...request, objectives }, SHORT), { code: 'invalid-configuration' });
  }
  const { plan, evaluations, stoppedBy } = await optimiseBatch({ ...request, objectives: ['cost'] }, SHORT);
  assert.deepEqual([plan.assignments[0]?.node, evaluations, stoppedBy], ['cheap', 0, 'nothing-to-do']);
});

test('fault 9: reputation is what verification says; there is nothing to fall back on', () => {
  const capacity = processors(1);
  // @ts-expect-error: a node without a reputation cannot be written down
  const unknown = nodeOffer({ id: 'unknown', capacity });
  for (const nodes of [[unknown], [node('nan', { reputation: Number.NaN })]]) {
    assert.throws(
      () => bestNode(task('a'), nodes),
      (error) => error instanceof FogError && error.code === 'invalid-request' && error.message.includes('reputation'),
    );
    assert.throws(() => new Router(nodes, { strategy: 'least-loaded', seed: 1 }), { code: 'invalid-request' });
  }
  for (const reputation of [0.2, 0.8, 0.9]) {
    const others = node('other', { reputation: 0.85 });
    assert.equal(
      bestNode(task('a'), [others, node('judged', { reputation })], 'failureRisk'),
      reputation > 0.85 ? 'judged' : 'other',
    );
  }
});
