import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EndingWork, reserveOnNode, startsBeside } from '@fog/scheduler/queueing';
import fc from 'fast-check';

const runs = (endsAtMilliseconds: number, cpu: number, memory = 0): EndingWork => {
  return { endsAtMilliseconds, demand: { cpu, memory } };
};

test('the head starts when enough has ended in every resource, and what ends at that time is spare', () => {
  const running = [runs(300, 2), runs(100, 1), runs(200, 1, 5), runs(200, 1)];
  const node = { nowMilliseconds: 50, free: { cpu: 1, memory: 5 }, running };
  assert.deepEqual(reserveOnNode({ cpu: 3, memory: 8 }, node), {
    startsAtMilliseconds: 200,
    spare: { cpu: 1, memory: 2 },
  });
  assert.deepEqual(reserveOnNode({ cpu: 1 }, node), { startsAtMilliseconds: 50, spare: { cpu: 0, memory: 5 } });
});

test('what has run over its time ends now, what is kept running never does', () => {
  const over = { nowMilliseconds: 50, free: { cpu: 0 }, running: [runs(10, 4)] };
  assert.equal(reserveOnNode({ cpu: 4 }, over)?.startsAtMilliseconds, 50);
  const kept = { nowMilliseconds: 50, free: { cpu: 3 }, running: [runs(Number.POSITIVE_INFINITY, 1)] };
  assert.equal(reserveOnNode({ cpu: 4 }, kept), null);
  assert.equal(reserveOnNode({ cpu: 4 }, { ...kept, running: [] }), null);
});

test('beside a reservation starts what ends before, or needs only what is spare', () => {
  const reservation = { startsAtMilliseconds: 100, spare: { cpu: 1, memory: 0 } };
  assert.equal(startsBeside(reservation, runs(100, 9, 9)), 'ends-before');
  assert.equal(startsBeside(reservation, runs(101, 1)), 'spare');
  assert.equal(startsBeside(reservation, runs(101, 1, 1)), null);
});

test('whatever is admitted beside it, the head starts in time', () => {
  const some = fc.record({ endsAtMilliseconds: fc.integer({ min: 1, max: 20 }), cpu: fc.integer({ min: 1, max: 4 }) });
  const works = fc.array(some, { maxLength: 8 });
  fc.assert(
    fc.property(works, works, fc.integer({ min: 1, max: 12 }), fc.nat({ max: 4 }), (before, behind, need, free) => {
      const running = before.map(({ endsAtMilliseconds, cpu }) => runs(endsAtMilliseconds, cpu));
      const reservation = reserveOnNode({ cpu: need }, { nowMilliseconds: 0, free: { cpu: free }, running });
      if (reservation === null) return;
      const spare: Record<string, number> = { ...reservation.spare };
      let now = free;
      const admitted = behind
        .map(({ endsAtMilliseconds, cpu }) => runs(endsAtMilliseconds, cpu))
        .filter((work) => {
          const { cpu = 0 } = work.demand;
          const beside = cpu <= now ? startsBeside({ ...reservation, spare }, work) : null;
          if (beside === null) return false;
          now -= cpu;
          if (beside === 'spare') spare.cpu = (spare.cpu ?? 0) - cpu;
          return true;
        });
      const { startsAtMilliseconds } = reservation;
      const ended = [...running, ...admitted].filter((work) => work.endsAtMilliseconds <= startsAtMilliseconds);
      const freed = ended.reduce((sum, { demand }) => sum + (demand.cpu ?? 0), now);
      assert.ok(freed >= need, `${freed} of ${need} are free at ${startsAtMilliseconds}`);
    }),
  );
});
