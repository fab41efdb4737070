/** Batches: classes that compete for nodes are placed by a plan, and a plan that is out of date harms nobody. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type PlacementReason, parseJobSpec } from '@fog/contract';
import { keptFront } from '../../src/dispatch/placement/fronts.ts';
import { placementClass, requirementsOf } from '../../src/dispatch/requirements.ts';
import type { FakeAgent } from './fake-agent.ts';
import { Fog, jobSpec, temporaryStorage } from './fog-harness.ts';
import { assertConsistent, assertPlaces } from './invariants.ts';

const OBJECTIVES = { cost: 1, energy: 1 };

/** Two kinds of tasks that ask for the same, so that they compete. */
async function submitBoth(fog: Fog, count: number, cpus: [string, string] = ['100m', '200m']): Promise<string[]> {
  const submit = (cpu: string) =>
    fog.submit({ spec: { objectives: OBJECTIVES, count }, task: { resources: { cpu, memory: '1Mi', disk: '1Mi' } } });
  return await Promise.all(cpus.map(submit));
}

/** In one turn, so that there is a choice at once. */
async function connectAll(...agents: FakeAgent[]): Promise<void> {
  await Promise.all(agents.map((agent) => agent.connect()));
}

async function attemptsOf(fog: Fog): Promise<{ node: string; by: PlacementReason['by'] }[]> {
  const rows = await fog.database.read
    .selectFrom('attempts')
    .innerJoin('nodes', 'nodes.id', 'attempts.node_id')
    .select(['nodes.name', 'attempts.placement'])
    .execute();
  return rows.map(({ name, placement }) => ({ node: name, by: (JSON.parse(placement ?? '') as PlacementReason).by }));
}

async function until(isThere: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isThere()); tries += 1) {
    assert.ok(tries < 500, 'it did not come');
    await pause(20);
  }
}

test('tasks that compete are held, planned and placed by the plan', async () => {
  await using folder = await temporaryStorage();
  await using fog = await Fog.open(folder.storage);
  await submitBoth(fog, 3);
  await connectAll(
    fog.agent({ name: 'cheap', offer: { pricePerSlice: 1, idleWatts: 90, busyWatts: 300 } }),
    fog.agent({ name: 'frugal', offer: { pricePerSlice: 50, idleWatts: 1, busyWatts: 5 } }),
  );
  assert.deepEqual(await attemptsOf(fog), [], 'they are held');
  await until(async () => (await attemptsOf(fog)).length === 6);
  assert.deepEqual(new Set((await attemptsOf(fog)).map(({ by }) => by)), new Set(['plan']));
  const [kept] = fog.dispatcher.planner.fronts;
  assert.ok(kept !== undefined && kept.front.points.length > 1, 'the front is kept');
  assert.deepEqual([...kept.tenants], ['alice']);
  const front = keptFront(fog.dispatcher, { scope: 'submit', principal: 'alice' }, 0);
  assert.deepEqual([front.tasks, front.picked, front.points.length], [6, kept.picked, kept.front.points.length]);
  assert.ok(front.points.every(({ nodes }) => nodes.every(({ name }) => ['cheap', 'frugal'].includes(name))));
  assert.deepEqual(keptFront(fog.dispatcher, { scope: 'admin', principal: 'root' }, 0), front);
  for (const [principal, index] of [
    ['bob', 0],
    ['alice', 1],
  ] as const) {
    assert.throws(() => keptFront(fog.dispatcher, { scope: 'submit', principal }, index), { code: 'not-found' });
  }
  await assertConsistent(fog.database);
  await assertPlaces(fog);
});

test('a node that vanishes between plan and apply: its tasks are placed elsewhere, nothing is lost', async () => {
  await using folder = await temporaryStorage();
  await using fog = await Fog.open(folder.storage);
  await submitBoth(fog, 3);
  const leaving = fog.agent({ name: 'leaving', offer: { pricePerSlice: 1, idleWatts: 1, busyWatts: 2 } });
  const capacity = { slots: 9, milliCpu: 9000 };
  await connectAll(leaving, fog.agent({ name: 'staying', capacity, offer: { pricePerSlice: 9 } }));
  assert.deepEqual(await attemptsOf(fog), [], 'they are held');
  await leaving.disconnect();
  await until(async () => {
    fog.dispatcher.wake();
    return (await attemptsOf(fog)).length === 6;
  });
  assert.deepEqual(new Set((await attemptsOf(fog)).map(({ node }) => node)), new Set(['staying']));
  await assertConsistent(fog.database);
});

test('no plan in time: what was held is placed like any other task', async () => {
  await using folder = await temporaryStorage();
  await using fog = await Fog.open(folder.storage);
  await submitBoth(fog, 2);
  await connectAll(fog.agent({ name: 'a' }), fog.agent({ name: 'b' }));
  fog.clock.now += 10_000;
  fog.dispatcher.wake();
  await until(async () => (await attemptsOf(fog)).length === 4);
  for (const { by } of await attemptsOf(fog)) assert.equal(by, 'objectives');
});

test('a plan for tasks that are gone does not stand in the way of the next', async () => {
  await using folder = await temporaryStorage();
  await using fog = await Fog.open(folder.storage);
  const { planner, sessions } = fog.dispatcher;
  // The one that is asked for first, with more tasks than a claim takes at first: a part of the plan is left.
  const [first = ''] = (await submitBoth(fog, 40)).sort();
  const capacity = { slots: 100, milliCpu: 100_000 };
  const agents = [fog.agent({ name: 'a', capacity }), fog.agent({ name: 'b', capacity })];
  await connectAll(...agents);
  await fog.jobs.close(first, 'cancelled', 'alice');
  await until(async () => planner.fronts.length === 1);
  await until(async () => (await attemptsOf(fog)).length === 40);
  for (const { session } of agents) sessions.remove(session ?? assert.fail());
  fog.clock.now += 10_000;
  await submitBoth(fog, 2, ['300m', '400m']);
  await connectAll(fog.agent({ name: 'c' }), fog.agent({ name: 'd' }));
  await until(async () => planner.fronts.length === 2);
});

test('a thread that fails costs nobody a task', async () => {
  await using folder = await temporaryStorage();
  await using fog = await Fog.open(folder.storage);
  await submitBoth(fog, 2);
  await connectAll(fog.agent({ name: 'a' }), fog.agent({ name: 'b' }));
  await fog.settle();
  await fog.dispatcher.planner.stop();
  await until(async () => (await attemptsOf(fog)).length === 4);
  await assertConsistent(fog.database);
});

test('a front that is asked for places nothing; without a node there is none', async () => {
  await using folder = await temporaryStorage();
  await using fog = await Fog.open(folder.storage);
  const placement = placementClass(requirementsOf(parseJobSpec(jobSpec({ spec: { objectives: OBJECTIVES } })), 'bob'));
  const waiting = { placement, submittedAt: fog.clock.now, kinds: [] };
  assert.equal((await fog.dispatcher.planner.frontOf(waiting, 4, 50)).picked, -1);
  await fog.connected({ name: 'cheap', offer: { pricePerSlice: 1, idleWatts: 90, busyWatts: 300 } });
  await fog.connected({ name: 'frugal', offer: { pricePerSlice: 50, idleWatts: 1, busyWatts: 5 } });
  const { front, picked } = await fog.dispatcher.planner.frontOf(waiting, 4, 50);
  assert.ok(picked >= 0 && front.points.length > 1);
  assert.deepEqual(await attemptsOf(fog), []);
});
