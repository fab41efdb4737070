/** The thread that makes plans: started ahead of its orders, it is ready for them, and says the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { FogError } from '@fog/contract';
import { type BatchRequest, nodeOffer, taskToPlace } from '@fog/scheduler/placement';
import type { Placer } from '../../src/dispatch/placement/placer.ts';
import { PlanThread } from '../../src/dispatch/placement/plan-thread.ts';
import { warmUpPlans } from '../../src/dispatch/placement/plan-warm-up.ts';
import { Planner, type WaitingClass } from '../../src/dispatch/placement/planner.ts';

const slots = (count: number) => ({ milliCpu: 1000 * count, memoryBytes: count, others: { slots: count } });
const REQUEST: BatchRequest = {
  tasks: Array.from({ length: 6 }, (_, index) =>
    taskToPlace({ id: `t${index}`, needs: slots(1), expectedRunMilliseconds: 1000 * (index + 1) }),
  ),
  nodes: Array.from({ length: 4 }, (_, index) =>
    nodeOffer({
      id: `n${index}`,
      capacity: slots(2),
      reputation: 0.9,
      priceMicroFogPerSlice: 10 * index,
      speed: 1 + index,
    }),
  ),
  objectives: ['cost', 'completionTime'],
  now: 1_800_000_000_000,
  pick: { by: 'knee' },
};

test('a thread that was started ahead answers as one that the order starts, also while it warms up', async () => {
  const answers = [];
  for (const isPrepared of [false, true]) {
    const thread = new PlanThread();
    if (isPrepared) thread.prepare();
    thread.prepare();
    const { plan, front } = await thread.run({ request: REQUEST, seed: 1, milliseconds: 10_000 });
    assert.equal(plan.left.length, 0);
    answers.push(front);
    const again = await thread.run({ request: REQUEST, seed: 1, milliseconds: 10_000 });
    assert.deepEqual(again.front, front);
    await assert.rejects(
      thread.run({ request: { ...REQUEST, objectives: [] }, seed: 1, milliseconds: 1 }),
      (error) => error instanceof FogError && error.code === 'invalid-configuration',
    );
    await thread.stop();
  }
  assert.deepEqual(answers[0], answers[1]);
});

test('a thread that was stopped is started anew by the next order', async () => {
  const thread = new PlanThread();
  thread.prepare();
  await thread.stop();
  const { plan } = await thread.run({ request: REQUEST, seed: 1, milliseconds: 1000 });
  assert.equal(plan.left.length, 0);
  await thread.stop();
});

test('plans for nobody end when they are told to', async () => {
  const aborted = new AbortController();
  aborted.abort();
  await warmUpPlans(aborted.signal);
  const stop = new AbortController();
  const running = warmUpPlans(stop.signal);
  await pause(1);
  stop.abort();
  const startedAt = performance.now();
  await running;
  assert.ok(performance.now() - startedAt < 2000);
});

test('one class that asks for objectives has the thread started, where there is a choice of nodes', () => {
  let prepared = 0;
  let isChoice = false;
  const planner = new Planner({
    placer: { isChoice: () => isChoice } as Placer,
    thread: {
      prepare: () => {
        prepared += 1;
      },
      run: () => Promise.reject(new Error('nobody asked for a plan')),
      stop: () => Promise.resolve(),
    },
    countWaiting: () => Promise.resolve(0),
    now: () => 0,
    wake: () => undefined,
    metrics: { plan: () => undefined },
    warn: () => undefined,
  });
  const waiting = (objectives?: object) => {
    const requirements = { node: null, runtime: 'wasm', ...(objectives && { objectives }) };
    return { placement: { id: 'c', requirements } } as unknown as WaitingClass;
  };
  planner.look([waiting({ cost: 1 })], 0);
  assert.equal(prepared, 0, 'a single node');
  isChoice = true;
  planner.look([waiting()], 0);
  assert.equal(prepared, 0, 'no objectives');
  planner.look([waiting({ cost: 1 })], 0);
  assert.equal(prepared, 1);
});
