import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AGING_POLICY,
  chooseSpotVictims,
  decideQueue,
  decideSharedQueue,
  dependencyOrder,
  fairOrder,
  heftSchedule,
  JOB_SCORES,
  NO_MEMORY,
  optimiseSchedule,
  peftSchedule,
  QUEUEING_LIMITS,
  type QueuedWork,
  type SharedQueueState,
} from '../../src/queueing/index.ts';
import { RandomNumbers } from '../../src/random-numbers.ts';
import { work as queued } from './queued-work-samples.ts';

const POLICY = { order: JOB_SCORES.fcfs, agingBoundSeconds: 100, preemptsSpot: true };

function decide(waiting: QueuedWork[], changes: Partial<SharedQueueState> = {}) {
  const state = { nowSeconds: 1000, capacity: { processors: 4 }, freeProcessors: 4, running: [] };
  return decideSharedQueue(POLICY, { ...state, waiting, finished: new Set(), quotas: new Map(), ...changes });
}

test('work that makes no sense is refused, however long it has waited', () => {
  const strange: Partial<QueuedWork>[] = [
    { processors: 0 },
    { processors: -2 },
    { processors: 1.5 },
    { processors: Number.NaN },
    { requestedSeconds: Number.NaN },
    { requestedSeconds: -1 },
    { submittedAtSeconds: Number.POSITIVE_INFINITY },
    { priority: Number.NaN },
    { tier: 'platinum' as 'gold' },
    { resources: { gpus: -1 } },
    { id: 'other' },
  ];
  for (const changes of strange) {
    for (const submittedAtSeconds of [0, 1000]) {
      const work = queued('strange', { submittedAtSeconds, ...changes });
      assert.throws(() => decide([queued('other'), work]), { name: 'FogError', code: 'invalid-request' });
    }
  }
});

test('a queue without processors decides nothing, and remembers nothing that would spoil its aging', () => {
  const job = { id: 'a', processors: 1, requestedSeconds: 60, submittedAtSeconds: 0 };
  const state = { nowSeconds: 10, totalProcessors: 0, freeProcessors: 0, running: [], memory: NO_MEMORY };
  for (const waiting of [[], [job]]) {
    const { starts, memory } = decideQueue(AGING_POLICY, { ...state, waiting });
    assert.deepEqual(starts, []);
    assert.equal(memory.longestDrainSeconds, 0);
  }
});

test('of tenants with an infinite share the one whose work came first goes first', () => {
  const tenants = ['d', 'b', 'c', 'a', 'e'];
  const work = tenants.map((tenant) => queued(`work-of-${tenant}`, { tenant, resources: { gpus: 1 } }));
  const usedBy = new Map(tenants.map((tenant) => [tenant, { gpus: 1 }]));
  const order = fairOrder(work, { capacity: { processors: 8 }, usedBy });
  assert.deepEqual(
    order.map(({ tenant }) => tenant),
    tenants,
  );
});

test('a weight that is no share is refused', () => {
  for (const weight of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    const weights = new Map([['t', weight]]);
    assert.throws(
      () => fairOrder([queued('a', { tenant: 't' })], { capacity: { processors: 1 }, usedBy: new Map(), weights }),
      { code: 'invalid-request' },
    );
  }
});

test('preemption on no node, and of what is none', () => {
  assert.equal(chooseSpotVictims({ processors: 1 }, []), null);
  assert.throws(() => chooseSpotVictims({ processors: Number.NaN }, []), { code: 'invalid-request' });
  const spot = [{ id: 's', demand: { processors: -1 }, lostProcessorSeconds: 0 }];
  assert.throws(() => chooseSpotVictims({ processors: 1 }, [{ id: 'n', free: {}, spot }]), { code: 'invalid-request' });
});

test('a graph of one task on one processor is scheduled; none, or absurd times, are refused', () => {
  const random = new RandomNumbers(1);
  const methods = [heftSchedule, peftSchedule, (graph: Parameters<typeof heftSchedule>[0]) => optimise(graph)];
  function optimise(graph: Parameters<typeof heftSchedule>[0]) {
    return optimiseSchedule(graph, { evaluations: 10, random });
  }
  for (const schedule of methods) {
    assert.equal(schedule({ runTimes: [[3]], edges: [] }).makespan, 3);
    for (const runTimes of [[], [[]], [[1], []], [[-1]], [[Number.NaN]], [[Number.MAX_VALUE], [Number.MAX_VALUE]]]) {
      assert.throws(() => schedule({ runTimes, edges: [] }), { name: 'FogError', code: 'invalid-request' });
    }
  }
});

test('a long cycle is told in short', () => {
  const count = 300_000;
  const work = Array.from({ length: count }, (_, at) => ({ id: `w${at}`, dependsOn: [`w${(at + 1) % count}`] }));
  assert.throws(
    () => dependencyOrder(work, new Set()),
    (error: Error & { code: string; details: { cycle: string[]; cycleLength: number } }) => {
      assert.equal(error.code, 'invalid-request');
      assert.deepEqual([error.details.cycle.length, error.details.cycleLength], [QUEUEING_LIMITS.toldCycle, count]);
      return error.message.length < 1000;
    },
  );
  assert.throws(() => dependencyOrder([{ id: 'self', dependsOn: ['self'] }], new Set()), /self -> self/);
  assert.deepEqual(dependencyOrder([], new Set()), []);
});
