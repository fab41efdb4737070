/** How long tasks wait for their first node, by tenant and tier, and what a missed promise is worth. */
import assert from 'node:assert/strict';
import { DISPATCH_LIMITS } from '../../src/limits.ts';
import { onBothDatabases } from './both-databases.ts';
import type { Fog } from './fog-harness.ts';

const ADMIN = { scope: 'admin' as const, principal: 'admin' };

async function levels(fog: Fog, caller: { scope: 'admin' | 'submit'; principal: string } = ADMIN) {
  const { items } = await fog.quotaService.serviceLevels(caller, { since: 0, limit: 100 });
  return items.map((item) => {
    const { principal, tier, count, missed, p95WaitMilliseconds, creditPermille, settled } = item;
    return [principal, tier, count, missed, p95WaitMilliseconds, creditPermille, settled];
  });
}

await onBothDatabases('service levels', {
  async 'waits are counted by tenant and tier, and settled when their hour is over'({ open }) {
    const fog = await open();
    await fog.submit({ spec: { count: 4, tier: 'gold' } });
    await fog.submit({ spec: { count: 2 } }, { by: 'bob' });
    fog.clock.now += 900;
    await fog.connected({ capacity: { slots: 50 } });
    await fog.submit({ spec: { tier: 'gold' } });
    await fog.advance(1000);
    const gold = ['alice', 'gold', 5, 4, 1200, 500];
    const bronze = ['bob', 'bronze', 2, 0, 1200, 0];
    assert.deepEqual(await levels(fog), [
      [...gold, false],
      [...bronze, false],
    ]);
    const { servicePeriodMilliseconds, serviceSettleMilliseconds } = DISPATCH_LIMITS;
    await fog.advance(servicePeriodMilliseconds + serviceSettleMilliseconds);
    assert.deepEqual(await levels(fog), [
      [...gold, true],
      [...bronze, true],
    ]);
    assert.deepEqual(await levels(fog, { scope: 'submit', principal: 'bob' }), [[...bronze, true]]);
    await fog.advance(31 * 86_400_000);
    assert.deepEqual(await levels(fog), [], 'what is as old as jobs may become is forgotten');
  },

  async 'a task that is suspended was promised nothing; one that was given up waited as long as it could'({ open }) {
    const fog = await open();
    const busy = await fog.connected({ capacity: { slots: 1 } });
    await fog.submit({ spec: { priority: 100 } });
    await fog.settle();
    const kept = await fog.submit({ spec: { tier: 'silver' } });
    await fog.suspensions.change(kept, { suspend: true, by: 'alice' });
    await fog.submit({ spec: { tier: 'gold', timeouts: { queue: '10s' } } });
    await fog.submit({ spec: { tier: 'gold', timeouts: { queue: '10s' }, placement: { constraints: ['gpu=yes'] } } });
    await fog.settle();
    await fog.advance(20_000);
    await fog.suspensions.change(kept, { suspend: false, by: 'alice' });
    for (const name of busy.attempts) busy.succeed(name);
    await fog.settle();
    await fog.advance(1000);
    assert.deepEqual(await levels(fog), [
      ['alice', 'bronze', 1, 0, 1, 0, false],
      ['alice', 'gold', 1, 1, 10_000, 1000, false],
    ]);
  },
});
