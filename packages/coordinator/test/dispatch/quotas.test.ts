/** Quotas of principals: refused at the submit, held back at the lease, told why; and by several coordinators together. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { FogError, QuotaLimits } from '@fog/contract';
import { startPostgres } from '../../../../test/support/postgres.ts';
import { excessText } from '../../src/dispatch/queueing/quotas.ts';
import { DISPATCH_LIMITS } from '../../src/limits.ts';
import { onBothDatabases } from './both-databases.ts';
import { Fog } from './fog-harness.ts';
import { jobRow } from './invariants.ts';

const ADMIN = { scope: 'admin' as const, principal: 'admin' };
const NONE: QuotaLimits = { milliCpu: null, memoryBytes: null, running: null, queued: null };
const slots = (fog: Fog, principal = 'alice') => fog.dispatcher.sessions.uses.of(principal).slots;

await onBothDatabases('quotas', {
  async 'no more runs than is allowed; what ends makes room, and others are not held up'({ open }) {
    const fog = await open();
    await fog.quotaService.set(ADMIN, 'alice', { ...NONE, milliCpu: 350 });
    await fog.submit({ spec: { count: 10, priority: 60 } });
    const agent = await fog.connected({ capacity: { slots: 8 } });
    assert.equal(slots(fog), 3);
    await fog.submit({ spec: { count: 9 } }, { by: 'bob' });
    await fog.settle();
    assert.equal(slots(fog, 'bob'), 5);
    agent.succeed(agent.attempts[0] as (typeof agent.attempts)[number]);
    await fog.settle();
    assert.equal(slots(fog), 3);
    await fog.quotaService.set(ADMIN, 'alice', { ...NONE, running: 1 });
    for (const name of agent.attempts.slice(0, 3)) agent.succeed(name);
    await fog.settle();
    assert.ok(slots(fog) <= 3);
    await fog.quotaService.remove('alice');
    await fog.settle();
    assert.equal(slots(fog) + slots(fog, 'bob'), 8);
  },

  async 'a submit beyond what may be queued is refused with what is allowed and used, and a repeated one is not'({
    open,
  }) {
    const fog = await open();
    await fog.quotaService.set(ADMIN, 'alice', { ...NONE, queued: 6000 });
    await fog.submit({ spec: { count: 5500 } }, { key: 'first' });
    await assert.rejects(
      fog.submit({ spec: { count: 501 } }),
      ({ code, details }: FogError) =>
        code === 'too-many-requests' && details.used === 5500 && details.allowed === 6000,
    );
    await fog.submit({ spec: { count: 5500 } }, { key: 'first' });
    await fog.submit({ spec: { count: 501 } }, { by: 'bob' });
    const outcomes = await Promise.allSettled([
      fog.submit({ spec: { count: 300 } }),
      fog.submit({ spec: { count: 300 } }),
    ]);
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'], 'not both at once');
    await fog.settle();
  },

  async 'quotas outlast the coordinator, are told with their use, and to submitters only their own'({ open, crash }) {
    const before = await open();
    await before.quotaService.set(ADMIN, 'alice', { ...NONE, running: 2 });
    await before.quotaService.set(ADMIN, 'bob', { ...NONE, memoryBytes: 1 << 20 });
    await before.submit({ spec: { count: 5 } });
    await before.connected();
    const fog = await crash(before);
    for (const agent of fog.agents) await agent.connect();
    assert.equal(slots(fog), 2);
    const page = { limit: 10 };
    const { items } = await fog.quotaService.list(ADMIN, page);
    assert.deepEqual(
      items.map(({ principal, used }) => [principal, used.running, used.queued, used.milliCpu]),
      [
        ['alice', 2, 3, 200],
        ['bob', 0, 0, 0],
      ],
    );
    const own = await fog.quotaService.list({ scope: 'submit', principal: 'bob' }, page);
    assert.deepEqual(
      own.items.map(({ principal }) => principal),
      ['bob'],
    );
    // Until it counts as dead, what the one before had counts as well.
    await fog.advance(DISPATCH_LIMITS.coordinatorSilenceMilliseconds + 1000);
    const needs = { milliCpu: 100, memoryBytes: 1, diskBytes: 1 };
    const here = { running: 2, milliCpu: 200, memoryBytes: 2 };
    const excess = await fog.quotas.excessOf(fog.database.read, 'alice', needs, here);
    assert.ok(excess !== null);
    assert.equal(
      excessText('alice', excess),
      'the quota of alice allows 2 running tasks at a time: 2 in use, 1 wanted',
    );
  },

  async 'the wait of a task that a quota held back counts from when it did not any more'({ open }) {
    const fog = await open();
    await fog.quotaService.set(ADMIN, 'alice', { ...NONE, running: 1 });
    await fog.submit({ spec: { count: 2 } });
    const agent = await fog.connected();
    fog.clock.now += 50_000;
    agent.succeed(agent.attempts[0] as (typeof agent.attempts)[number]);
    await fog.settle();
    await fog.advance(1000);
    const { items } = await fog.quotaService.serviceLevels(ADMIN, { since: 0, limit: 10 });
    assert.deepEqual(
      items.map(({ count, missed }) => [count, missed]),
      [[2, 1]],
      'only what nobody held back is late',
    );
  },
});

const postgres = await startPostgres();
const skip = 'unavailable' in postgres ? postgres.unavailable : false;

describe('several coordinators', { skip }, () => {
  after(() => ('unavailable' in postgres ? undefined : postgres.stop()));

  test('keep to a quota together, and take up what another has given back', async () => {
    if ('unavailable' in postgres) return;
    const url = postgres.url(await postgres.createDatabase());
    const clock = { now: 1_700_000_000_000 };
    await using one = await Fog.open({ url }, { clock });
    await using two = await Fog.open({ url }, { clock });
    await one.sweeps.takeStock();
    await one.quotaService.set(ADMIN, 'alice', { ...NONE, running: 5 });
    await two.quotas.load();
    const left = await one.connected({ name: 'a', capacity: { slots: 4 } });
    await two.connected({ name: 'b', capacity: { slots: 4 } });
    const job = await one.submit({ spec: { count: 40 } });
    await two.sweeps.takeStock();
    await Promise.all([one.settle(), two.settle()]);
    assert.equal((await jobRow(one.database, job)).scheduled, 5);
    assert.equal(slots(one) + slots(two), 5);
    // The node of the first takes no more: what it gives back falls to the second.
    for (const session of one.dispatcher.sessions.all()) session.cordoned = true;
    for (const name of left.attempts) left.succeed(name);
    await one.settle();
    await two.advance(DISPATCH_LIMITS.quotaMilliseconds);
    assert.equal(slots(one), 0);
    assert.equal(slots(two), 4);
  });
});
