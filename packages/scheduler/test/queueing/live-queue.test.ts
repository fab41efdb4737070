/** What a queue that serves in portions takes from here: classes, portions of fairness, room within quotas, counted waits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compareQueueClasses,
  excessOfStart,
  FairShares,
  fairOrder,
  type QueueClass,
  SERVICE_TIERS,
  settleServiceLevel,
  settleWaitCounts,
  startsWithin,
  waitBound,
} from '@fog/scheduler/queueing';
import fc from 'fast-check';
import { work } from './queued-work-samples.ts';

test('priority goes before age, age before tier', () => {
  const bronze: QueueClass = { priority: 0, hasAged: false, tier: 'bronze' };
  const order = [
    { ...bronze, priority: 1 },
    { ...bronze, hasAged: true },
    { ...bronze, tier: 'gold' as const },
    { ...bronze, tier: 'silver' as const },
    bronze,
  ];
  assert.deepEqual(order.toReversed().sort(compareQueueClasses), order);
});

test('serving in portions comes to what serving one by one comes to, within one piece of each tenant', () => {
  const demands = fc.array(fc.record({ processors: fc.integer({ min: 1, max: 4 }), memory: fc.nat({ max: 9 }) }), {
    minLength: 2,
    maxLength: 4,
  });
  const capacity = { processors: 100, memory: 120 };
  fc.assert(
    fc.property(demands, fc.integer({ min: 1, max: 40 }), (drawn, total) => {
      const all = drawn.flatMap(({ memory, processors }, tenant) =>
        Array.from({ length: total }, (_, at) =>
          work(`${tenant}/${at}`, { tenant: `t${tenant}`, processors, resources: { memory } }),
        ),
      );
      const single = fairOrder(all, { capacity, usedBy: new Map() }).slice(0, total);
      const shares = new FairShares({ capacity, usedBy: new Map() });
      const served = drawn.map(() => 0);
      for (let left = total; left > 0; ) {
        const ranked = drawn.map((_, at) => at).sort((a, b) => shares.shareOf(`t${a}`) - shares.shareOf(`t${b}`));
        const first = ranked[0] as number;
        const rival = shares.shareOf(`t${ranked[1]}`);
        const portion = Math.min(left, shares.servings(`t${first}`, drawn[first] ?? {}, rival));
        assert.ok(portion >= 1);
        shares.serve(`t${first}`, drawn[first] ?? {}, portion);
        served[first] = (served[first] ?? 0) + portion;
        left -= portion;
      }
      served.forEach((count, tenant) => {
        const oneByOne = single.filter((one) => one.tenant === `t${tenant}`).length;
        assert.ok(Math.abs(count - oneByOne) <= 1, `${served} instead of ${oneByOne} of t${tenant}`);
      });
    }),
  );
});

test('work that needs nothing is served without end, and of a resource that does not exist one at a time', () => {
  const shares = new FairShares({ capacity: { processors: 2 }, usedBy: new Map([['rich', { processors: 1 }]]) });
  assert.equal(shares.servings('poor', {}, 0), Number.POSITIVE_INFINITY);
  assert.equal(shares.servings('poor', { gpus: 1 }, Number.POSITIVE_INFINITY), 1);
  assert.equal(shares.servings('rich', { processors: 1 }, 0.25), 1);
  assert.equal(shares.servings('poor', { processors: 1 }, 0.5), 2);
});

test('as many may start as a quota lets start one by one', () => {
  const amounts = fc.record({ processors: fc.nat({ max: 5 }), memory: fc.nat({ max: 5 }) });
  const limits = fc.record({ cpu: fc.nat({ max: 20 }), memory: fc.nat({ max: 20 }), work: fc.nat({ max: 9 }) });
  fc.assert(
    fc.property(amounts, limits, ({ processors, memory }, limit) => {
      const quota = {
        running: { processors: limit.cpu, memory: limit.memory },
        runningWork: limit.work,
        queuedWork: null,
      };
      const use = { running: { processors: 2, memory: 1 }, runningWork: 1, queuedWork: 0 };
      const wanted = { processors, resources: { memory } };
      const most = startsWithin(quota, use, wanted);
      let count = 0;
      const now = structuredClone(use);
      while (excessOfStart(quota, now, wanted) === null) {
        now.running.processors += processors;
        now.running.memory += memory;
        now.runningWork += 1;
        count += 1;
      }
      // A resource of which the work wants nothing keeps it from nothing, however much of it is used.
      if (limit.cpu >= 2 && limit.memory >= 1) assert.equal(most, count);
      assert.ok(most >= count);
    }),
  );
});

test('waits that are counted by bounds give the credit that the waits give', () => {
  const waits = fc.array(fc.oneof(fc.nat({ max: 20_000 }), fc.constantFrom(400, 600, 800, 1200, 1600, 2500, 10_000)));
  fc.assert(
    fc.property(fc.constantFrom(...SERVICE_TIERS), waits, (tier, drawn) => {
      const exact = settleServiceLevel(tier, drawn);
      const counts = drawn.map((wait) => ({ boundMilliseconds: waitBound(wait), count: 1 }));
      const counted = settleWaitCounts(tier, counts);
      assert.equal(counted.creditPermille, exact.creditPermille);
      assert.equal(counted.isMet, exact.isMet);
      assert.equal(counted.count, exact.count);
      if (exact.p95WaitMilliseconds !== null) {
        assert.equal(counted.p95WaitMilliseconds, waitBound(exact.p95WaitMilliseconds));
      }
    }),
  );
});
