import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  NEW_REPLICA,
  type ReplicaFacts,
  type ReplicaMemory,
  readHealth,
  remember,
} from '../../src/deployments/replica-condition.ts';

const fresh: ReplicaMemory = { ...NEW_REPLICA, since: 0 };
const running = (health: Partial<NonNullable<ReturnType<typeof readHealth>>> | null, fence = 1): ReplicaFacts => ({
  task: 'running',
  parked: false,
  attempt: {
    fence,
    state: 'running',
    health: health === null ? null : { status: 'healthy', message: '', restarts: 0, ...health },
  },
});

test('a replica is ready when it runs and, where there is a check, when that says so', () => {
  const condition = (facts: ReplicaFacts, hasCheck: boolean) => remember(fresh, facts, hasCheck, 5).condition;
  assert.equal(condition(running(null), false), 'ready');
  assert.equal(condition(running(null), true), 'starting');
  assert.equal(condition(running({ status: 'starting' }), true), 'starting');
  assert.equal(condition(running({ status: 'unhealthy' }), true), 'starting');
  assert.equal(condition(running({ status: 'healthy' }), true), 'ready');
  assert.equal(condition({ task: 'queued', parked: true, attempt: null }, false), 'backing-off');
  assert.equal(condition({ task: 'queued', parked: false, attempt: null }, false), 'waiting');
  const lost = { fence: 1, state: 'lost', health: null } as const;
  assert.equal(condition({ task: 'running', parked: false, attempt: lost }, false), 'starting', 'its node is away');
});

test('since when it is so is remembered; another attempt, and a restart, begin anew', () => {
  const ready = remember(fresh, running({ restarts: 0 }), true, 100);
  assert.deepEqual(ready, { run: '1/0', condition: 'ready', since: 100 });
  assert.equal(remember(ready, running({ restarts: 0 }), true, 900), ready, 'the same object');
  assert.equal(remember(ready, running({ restarts: 1 }), true, 900).since, 900);
  assert.equal(remember(ready, running({ restarts: 0 }, 2), true, 900).since, 900);
  assert.equal(remember(ready, running({ restarts: 0 }), true, 50).since, 50, 'the clock was set back');
});

test('what a health column cannot tell is taken for nothing', () => {
  assert.equal(readHealth(null), null);
  assert.equal(readHealth('7'), null);
  assert.deepEqual(readHealth('{}'), { status: 'starting', message: '', restarts: 0 });
  const health = { status: 'healthy', message: 'ok', restarts: 2 };
  assert.deepEqual(readHealth(JSON.stringify(health)), health);
});
