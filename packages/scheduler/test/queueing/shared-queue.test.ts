import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decideSharedQueue,
  JOB_SCORES,
  type QueuedWork,
  type RunningWork,
  type SharedQueuePolicy,
  type SharedQueueState,
} from '@fog/scheduler/queueing';
import { work } from './queued-work-samples.ts';

const POLICY: SharedQueuePolicy = { order: JOB_SCORES.fcfs, agingBoundSeconds: 3600, preemptsSpot: true };

function state(waiting: QueuedWork[], changes: Partial<SharedQueueState> = {}): SharedQueueState {
  return {
    nowSeconds: 100,
    capacity: { processors: 10 },
    freeProcessors: 10,
    waiting,
    running: [],
    finished: new Set(),
    quotas: new Map(),
    ...changes,
  };
}

const running = (id: string, processors: number, changes: Partial<RunningWork> = {}): RunningWork => {
  const base = { id, processors, tenant: 'other', isSpot: false, resources: {} };
  return { ...base, expectedEndSeconds: 200, safeAtSeconds: 0, ...changes };
};

const started = (decision: ReturnType<typeof decideSharedQueue>) => decision.starts.map(({ job }) => job.id);

test('priority goes before age, age before tier, tier before fairness, fairness before the order', () => {
  const waiting = [
    work('first'),
    work('second', { submittedAtSeconds: 1 }),
    work('fair', { tenant: 'newcomer', submittedAtSeconds: 2 }),
    work('gold', { tier: 'gold', submittedAtSeconds: 3 }),
    work('old', { submittedAtSeconds: -4000 }),
    work('urgent', { priority: 1, submittedAtSeconds: 4 }),
  ];
  assert.deepEqual(started(decideSharedQueue(POLICY, state(waiting))), [
    'urgent',
    'old',
    'gold',
    'fair',
    'first',
    'second',
  ]);
});

test('what depends on unfinished work waits, and holds up nobody', () => {
  const waiting = [work('after', { dependsOn: ['before'], processors: 10 }), work('free')];
  assert.deepEqual(started(decideSharedQueue(POLICY, state(waiting))), ['free']);
  const finished = new Set(['before']);
  assert.deepEqual(started(decideSharedQueue(POLICY, state(waiting, { finished }))), ['after']);
});

test('what a quota forbids is named, and others go on; starts of the same decision count', () => {
  const waiting = [
    work('a', { tenant: 'small', processors: 2 }),
    work('b', { tenant: 'small', processors: 2 }),
    work('c', { tenant: 'large', processors: 5 }),
  ];
  const quotas = new Map([['small', { running: { processors: 3 }, runningWork: null, queuedWork: null }]]);
  const decision = decideSharedQueue(POLICY, state(waiting, { quotas }));
  assert.deepEqual(started(decision), ['a', 'c']);
  assert.deepEqual(decision.overQuota, [
    { workId: 'b', excess: { limit: 'processors', allowed: 3, used: 2, wanted: 2 } },
  ]);
});

test('spot work is stopped for a head that is none, the cheapest first, and no gap is filled meanwhile', () => {
  const ongoing = [
    running('spot-old', 4, { isSpot: true }),
    running('spot-saved', 4, { isSpot: true, safeAtSeconds: 95 }),
    running('firm', 1),
  ];
  const waiting = [work('head', { processors: 5 }), work('small', { requestedSeconds: 1, submittedAtSeconds: 1 })];
  const decision = decideSharedQueue(POLICY, state(waiting, { running: ongoing, freeProcessors: 1 }));
  assert.deepEqual(decision.preemption, { nodeId: 'cluster', victims: ['spot-saved'], lostProcessorSeconds: 20 });
  assert.deepEqual(decision.starts, []);
  const spotHead = [work('head', { processors: 5, isSpot: true }), ...waiting.slice(1)];
  for (const [policy, queue] of [[POLICY, spotHead] as const, [{ ...POLICY, preemptsSpot: false }, waiting] as const]) {
    const calm = decideSharedQueue(policy, state(queue, { running: ongoing, freeProcessors: 1 }));
    assert.equal(calm.preemption, null);
    assert.deepEqual(started(calm), ['small']);
  }
});

test('spot work that would not make enough room is left alone', () => {
  const ongoing = [running('spot', 2, { isSpot: true }), running('firm', 8)];
  const decision = decideSharedQueue(
    POLICY,
    state([work('head', { processors: 3 })], { running: ongoing, freeProcessors: 0 }),
  );
  assert.equal(decision.preemption, null);
  assert.equal(decision.reservation?.startSeconds, 200);
});

test('an empty queue, and an empty cluster, decide nothing', () => {
  assert.deepEqual(started(decideSharedQueue(POLICY, state([]))), []);
  const none = decideSharedQueue(POLICY, state([work('a')], { capacity: { processors: 0 }, freeProcessors: 0 }));
  assert.deepEqual([started(none), none.neverFit.map(({ id }) => id)], [[], ['a']]);
});
