import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inTurn, isReady, type Replica, type ServiceTask, whyNotReady } from '../../src/proxy/replicas.ts';

const replica = (change: Partial<Replica> = {}): Replica => ({
  job: 'j000000000000000001',
  partition: 0,
  fence: 1,
  state: 'running',
  node: 'n1',
  nodeState: 'connected',
  health: { status: 'healthy', message: 'well', restarts: 0 },
  coordinator: null,
  ...change,
});
const health = (status: 'starting' | 'healthy' | 'unhealthy', message = '') => ({ status, message, restarts: 1 });

test('ready is what runs on a connected node, and is found healthy where there is a check', () => {
  assert.equal(isReady(replica(), true), true);
  assert.equal(isReady(replica({ health: null }), true), false, 'not looked at yet');
  assert.equal(isReady(replica({ health: null }), false), true);
  for (const status of ['starting', 'unhealthy'] as const) {
    for (const hasCheck of [true, false]) assert.equal(isReady(replica({ health: health(status) }), hasCheck), false);
  }
  assert.equal(isReady(replica({ state: 'preparing' }), false), false);
  assert.equal(isReady(replica({ state: 'lost' }), true), false);
  assert.equal(isReady(replica({ nodeState: 'unknown' }), true), false);
});

test('each gets its turn', () => {
  const all = [0, 1, 2].map((partition) => replica({ partition }));
  const order = (turn: number) => inTurn(all, turn).map(({ partition }) => partition);
  assert.deepEqual(
    [order(0), order(1), order(5)],
    [
      [0, 1, 2],
      [1, 2, 0],
      [2, 0, 1],
    ],
  );
  assert.deepEqual(inTurn([], 3), []);
});

test('why none is ready is said in one sentence', () => {
  assert.equal(whyNotReady([], []), 'it has none at the moment');
  const task = (change: Partial<ServiceTask>) => ({
    job: 'j1',
    partition: 0,
    waitsFor: 'node' as const,
    failure: null,
    ...change,
  });
  const waiting = [
    task({}),
    task({ partition: 1, waitsFor: 'pause' }),
    task({ partition: 2, waitsFor: 'pause', failure: `ended: <html>\n${'x'.repeat(500)}` }),
  ];
  const why = whyNotReady([], waiting);
  assert.match(
    why,
    /^1 waiting for a node, 1 in its pause after a failure, 1 in its pause after a failure \(ended: <ht/,
  );
  assert.ok(why.length < 400 && !why.includes('\n'), why);
  const several = [
    replica({ state: 'preparing', health: null }),
    replica({ health: null }),
    replica({ health: health('starting') }),
    replica({ partition: 9, health: health('starting', 'status 404') }),
    replica({ health: health('unhealthy', 'status 500') }),
    replica({ state: 'lost' }),
    replica({ nodeState: 'unknown' }),
  ];
  const tasks = [task({ job: 'j000000000000000001' })];
  assert.equal(
    whyNotReady(several, tasks),
    '1 preparing, 2 starting, 1 starting (status 404), 1 unhealthy (status 500), 2 on a node that is cut off',
  );
});
