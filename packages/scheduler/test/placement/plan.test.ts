import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  applyPlan,
  optimiseBatch,
  type PlacementPlan,
  replicaPrefix,
  type StaleReason,
  type TaskToPlace,
} from '../../src/placement/index.ts';
import { drawnFog, NOW, node, processors, task } from './small-fog.ts';

const nodes = [node('a', { speed: 2 }), node('b')];
const tasks = [task('t'), task('u')];

async function planOf(wanted: readonly TaskToPlace[] = tasks, offers = nodes): Promise<PlacementPlan> {
  const request = {
    tasks: wanted,
    nodes: offers,
    objectives: ['completionTime'],
    now: NOW,
    pick: { by: 'knee' },
  } as const;
  return (await optimiseBatch(request, { seed: 1, generations: 5 })).plan;
}

function reasons(plan: PlacementPlan, present: Parameters<typeof applyPlan>[1]): Record<string, StaleReason> {
  return Object.fromEntries(applyPlan(plan, present).stale.map(({ assignment, reason }) => [assignment.task, reason]));
}

test('plan: holds as long as nothing it rests on has changed, and each assignment falls on its own', async () => {
  const plan = await planOf();
  assert.deepEqual(
    plan.assignments.map((each) => each.node),
    ['a', 'a'],
  );
  const present = { tasks, nodes, now: NOW };
  assert.equal(applyPlan(plan, present).hold.length, 2);
  const [t, u] = tasks as [TaskToPlace, TaskToPlace];
  const changed: [Partial<typeof present>, Record<string, StaleReason>][] = [
    [{ tasks: [u] }, { t: 'task-gone' }],
    [{ tasks: [{ ...t, version: 1 }, u] }, { t: 'task-changed' }],
    [{ nodes: [node('b')] }, { t: 'node-gone', u: 'node-gone' }],
    [{ nodes: [node('a', { speed: 2, version: 1 })] }, { t: 'node-changed', u: 'node-changed' }],
    [{ nodes: [node('a', { speed: 2, takesWork: false })] }, { t: 'unsuitable', u: 'unsuitable' }],
    [{ nodes: [node('a', { speed: 2, free: processors(1) })] }, { u: 'no-room' }],
    [{ tasks: [{ ...t, trustFloor: 0.99 }, u] }, { t: 'unsuitable' }],
  ];
  for (const [what, expected] of changed) assert.deepEqual(reasons(plan, { ...present, ...what }), expected);
});

test('plan: applied twice it holds once: what was placed has another version', async () => {
  const plan = await planOf();
  const { hold } = applyPlan(plan, { tasks, nodes, now: NOW });
  const after = tasks.map((each) => ({ ...each, version: each.version + 1 }));
  assert.equal(hold.length, 2);
  assert.deepEqual(applyPlan(plan, { tasks: after, nodes, now: NOW }).hold, []);
  const doubled = { ...plan, assignments: [...plan.assignments, ...plan.assignments] };
  assert.equal(applyPlan(doubled, { tasks, nodes, now: NOW }).hold.length, 2, 'a task is placed once');
});

test('plan: a move that has lost its worth, or whose room is still taken, is not made', async () => {
  const running = {
    node: 'b',
    remainingMilliseconds: 60_000,
    remainingRunMilliseconds: 60_000,
    restartMilliseconds: 10_000,
  };
  const mover = task('t', { running });
  const offers = [nodes[0] as (typeof nodes)[number], node('b', { free: processors(3) })];
  const plan = await planOf([mover, task('u')], offers);
  assert.deepEqual(plan.assignments.find((each) => each.task === 't')?.from, 'b');
  const present = { tasks: [mover, task('u')], nodes: offers, now: NOW };
  assert.equal(applyPlan(plan, present).hold.length, 2);
  const nearlyDone = { ...mover, running: { ...running, remainingMilliseconds: 5000, remainingRunMilliseconds: 5000 } };
  assert.deepEqual(reasons(plan, { ...present, tasks: [nearlyDone] }), { t: 'not-worth-it', u: 'task-gone' });
  assert.deepEqual(reasons(plan, { ...present, tasks: [task('t'), task('u')] }), { t: 'task-changed' });
});

test('plan: a replica is not placed beside another that came to run meanwhile', async () => {
  const offers = [node('a', { owner: 'ann', prefix: 'x', speed: 3 }), node('b', { owner: 'ben', prefix: 'y' })];
  const pair = [task('t', { replicaGroup: 'g' }), task('u', { replicaGroup: 'g' })];
  const plan = await planOf(pair, offers);
  assert.equal(new Set(plan.assignments.map((each) => each.node)).size, 2);
  for (const [what, elsewhere] of [
    ['owner', node('c', { owner: 'ann', prefix: 'z' })],
    ['network', node('c', { owner: 'cyd', prefix: 'x' })],
  ] as const) {
    const stale = applyPlan(plan, { tasks: pair, nodes: offers, now: NOW, replicas: { g: [elsewhere] } }).stale;
    assert.deepEqual(
      stale.map(({ assignment, reason }) => [assignment.node, reason]),
      [['a', 'replica']],
      what,
    );
  }
});

test('plan: whatever has become of tasks and nodes, what holds fits into what is free', async () => {
  await fc.assert(
    fc.asyncProperty(drawnFog, drawnFog, async (before, after) => {
      const request = { ...before, objectives: ['completionTime', 'cost'], now: NOW, pick: { by: 'knee' } } as const;
      const { plan } = await optimiseBatch(request, { seed: 1, generations: 1, population: 8 });
      const { hold } = applyPlan(plan, { ...after, now: NOW });
      for (const { id, free } of after.nodes) {
        const there = hold
          .filter((each) => each.node === id)
          .map((each) => after.tasks.find((other) => other.id === each.task));
        const used = there.reduce((sum, each) => sum + (each?.needs.milliCpu ?? 0), 0);
        assert.ok(used <= free.milliCpu);
      }
    }),
    { numRuns: 60 },
  );
});

test('replicas are kept apart by /16 and /32', () => {
  assert.equal(replicaPrefix('192.0.2.77'), '192.0.0.0/16');
  assert.equal(replicaPrefix('2001:db8:1:2::3'), replicaPrefix('2001:db8:ffff::1'));
  assert.notEqual(replicaPrefix('2001:db8::1'), replicaPrefix('2001:db9::1'));
  assert.equal(replicaPrefix('nowhere'), null);
});
