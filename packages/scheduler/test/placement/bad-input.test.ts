import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  applyPlan,
  type BatchOptions,
  OBJECTIVES,
  optimiseBatch,
  type PickRule,
  pickTradeOff,
  Router,
  scanNodes,
} from '../../src/placement/index.ts';
import { NOW, node, processors, task } from './small-fog.ts';

const RULE = { by: 'weights', weights: { cost: 1 } } as const;
const pair = [task('a'), task('b')];

function batch(pick: PickRule, options: Partial<BatchOptions> = {}) {
  const request = { tasks: pair, nodes: [node('n')], objectives: ['cost', 'energy'] as const, now: NOW, pick };
  return optimiseBatch(request, { seed: 1, generations: 2, population: 8, ...options });
}

test('a budget or seed that is no number is refused before anything is computed', async () => {
  let firstPlans = 0;
  const onFirstPlan = () => {
    firstPlans += 1;
  };
  for (const options of [
    { milliseconds: Number.NaN },
    { milliseconds: -1 },
    { generations: Number.NaN },
    { generations: -3 },
    { generations: 0.5 },
    { seed: Number.NaN },
    { seed: -1 },
    { population: 0 },
  ]) {
    await assert.rejects(batch({ by: 'knee' }, { ...options, onFirstPlan }), {
      name: 'FogError',
      code: 'invalid-configuration',
    });
  }
  assert.equal(firstPlans, 0);
});

test('a rule to pick by that makes no sense is refused before anything is computed', async () => {
  let firstPlans = 0;
  const rules: PickRule[] = [
    { by: 'luck' as 'knee' },
    { by: 'weights', weights: {} },
    { by: 'weights', weights: { cost: -1 } },
    { by: 'weights', weights: { cost: Number.NaN } },
    { by: 'weights', weights: { fairness: 1 } },
    { by: 'lexicographic', order: [], tolerance: 0 },
    { by: 'lexicographic', order: ['fairness'], tolerance: 0 },
    { by: 'lexicographic', order: ['cost', 'energy'], tolerance: Number.NaN },
  ];
  const front = { objectives: ['cost', 'energy'] as ('cost' | 'energy')[], tasks: [], nodes: [] };
  const points = [{ values: [1, 2], violation: 0, nodes: [] }];
  for (const rule of rules) {
    const run = batch(rule, {
      onFirstPlan: () => {
        firstPlans += 1;
      },
    });
    await assert.rejects(run, { name: 'FogError' });
    assert.throws(() => pickTradeOff({ ...front, points }, rule), { name: 'FogError' });
  }
  assert.equal(firstPlans, 0);
});

test('a single task without a node is told which constraint excludes how many, by scan and router alike', () => {
  const nodes = [node('a', { region: 'eu' }), node('b', { region: 'us', reputation: 0.1 }), node('c')];
  const picky = task('t', { regions: ['us'], trustFloor: 0.5 });
  const router = new Router(nodes, { strategy: 'least-loaded', seed: 1 });
  for (const place of [() => scanNodes(picky, nodes, RULE, NOW), () => router.place(picky, NOW)]) {
    assert.throws(place, (error: Error & { code?: string; details?: Record<string, unknown> }) => {
      assert.equal(error.code, 'unavailable');
      assert.deepEqual(error.details?.excluded, [
        { kind: 'region', constraint: 'region in (us)', nodes: 2 },
        { kind: 'trust', constraint: 'trust: needs at least 0.5', nodes: 1 },
      ]);
      return error.message.includes('region in (us) excludes 2 of 3');
    });
  }
  assert.throws(() => scanNodes(picky, [], RULE, NOW), /there are no nodes/);
  assert.equal(scanNodes(task('t'), [nodes[0] as (typeof nodes)[number]], RULE, NOW).compared, 1);
});

test('absurd nodes and tasks are refused by router and scan, and named', () => {
  const router = new Router([], { strategy: 'least-loaded', seed: 1 });
  for (const changes of [
    { free: processors(-1) },
    { speed: 0 },
    { speed: Number.NaN },
    { reputation: Number.NaN },
    { priceMicroFogPerSlice: -1 },
    { busyWatts: -1 },
    { latencyMilliseconds: Number.POSITIVE_INFINITY },
    { downloadBitsPerSecond: 0 },
    { capacity: { ...processors(1), others: { gpus: Number.NaN } } },
  ]) {
    const refused = (error: Error & { code?: string }) =>
      error.code === 'invalid-request' && error.message.includes('node odd');
    assert.throws(() => router.setNode(node('odd', changes)), refused);
    assert.throws(() => scanNodes(task('t'), [node('odd', changes)], RULE, NOW), refused);
  }
  assert.throws(() => scanNodes(task('t', { needs: processors(-1) }), [node('n')], RULE, NOW), /needs of task t/);
  assert.equal(router.node('odd'), undefined);
});

test('a node with more free than it has is not given more than it has', () => {
  const router = new Router([node('n', { capacity: processors(2), free: processors(8) })], {
    strategy: 'least-loaded',
    seed: 1,
  });
  assert.throws(() => router.place(task('t', { needs: processors(4) }), NOW), { code: 'unavailable' });
});

test('the node of a running task that vanished: before the search it is placed anew, after it the plan falls', async () => {
  const running = {
    node: 'gone',
    remainingMilliseconds: 60_000,
    remainingRunMilliseconds: 60_000,
    restartMilliseconds: 1000,
  };
  const tasks = [task('orphan', { running }), task('other')];
  const nodes = [node('here')];
  const request = { tasks, nodes, objectives: OBJECTIVES.slice(0, 4), now: NOW, pick: { by: 'knee' } } as const;
  const { plan } = await optimiseBatch(request, { seed: 1, generations: 2 });
  assert.deepEqual(
    plan.assignments.map(({ task: id, node: to, from }) => [id, to, from]),
    [
      ['orphan', 'here', 'gone'],
      ['other', 'here', null],
    ],
  );
  assert.equal(applyPlan(plan, { tasks, nodes, now: NOW }).hold.length, 2);
  const after = applyPlan(plan, { tasks, nodes: [], now: NOW });
  assert.deepEqual([after.hold, after.stale.map(({ reason }) => reason)], [[], ['node-gone', 'node-gone']]);
  assert.deepEqual(applyPlan(plan, { tasks: [], nodes, now: NOW }).hold, []);
});
