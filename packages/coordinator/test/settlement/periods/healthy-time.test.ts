/** For how long replicas were healthy, and what of it belongs to which period. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { countHealthy, type KnownLease, type SeenLease } from '../../../src/settlement/periods/healthy-time.ts';

const AT = 1_000_000;

function known(change: Partial<KnownLease> = {}): KnownLease {
  const name = { partition: 0, fence: 1, payee: 'olga', price: 1000 };
  return { ...name, restarts: 0, healthySince: AT, healthyMilliseconds: 0, ...change };
}

function seen(change: Partial<SeenLease> = {}): SeenLease {
  const name = { partition: 0, fence: 1, payee: 'olga', price: 1000 };
  return { ...name, restarts: 0, isHealthy: true, healthyFrom: null, endedAt: null, ...change };
}

const times = { lookedAt: AT + 10_000, now: AT + 15_000, until: null };

test('what goes on is counted when it ends: at its end, or at the look before where no end was told', () => {
  assert.deepEqual(countHealthy([known()], [seen()], times).next, [known()]);
  const ended = countHealthy([known()], [seen({ isHealthy: false, endedAt: AT + 12_000 })], times);
  assert.deepEqual(ended.next, [known({ healthySince: null, healthyMilliseconds: 12_000 })]);
  for (const found of [[], [seen({ isHealthy: false })]]) {
    const gone = countHealthy([known()], found, times);
    assert.deepEqual(gone.next, [known({ healthySince: null, healthyMilliseconds: 10_000 })]);
  }
});

test('a program that was restarted between two looks is another run', () => {
  const { next } = countHealthy([known()], [seen({ restarts: 1 })], times);
  assert.deepEqual(next, [known({ restarts: 1, healthySince: AT + 15_000, healthyMilliseconds: 10_000 })]);
});

test('what has begun since the look before counts from its start, and nothing else does from before the look', () => {
  const since = (healthyFrom: number | null) => countHealthy([], [seen({ healthyFrom })], times).next[0]?.healthySince;
  assert.deepEqual([since(AT + 12_000), since(AT + 9000), since(null)], [AT + 12_000, AT + 15_000, AT + 15_000]);
});

test('looks that lie too far apart say nothing of the time between', () => {
  const away = { lookedAt: AT + 10_000, now: AT + 500_000, until: null };
  const { next } = countHealthy([known()], [seen({ healthyFrom: AT + 20_000 })], away);
  assert.deepEqual(next, [known({ healthySince: AT + 500_000, healthyMilliseconds: 10_000 })]);
});

test('at the end of a period what was before it is told, and what came after is kept', () => {
  const until = AT + 12_000;
  const { over, next } = countHealthy([known({ healthyMilliseconds: 500 })], [seen()], { ...times, until });
  assert.deepEqual(over, [known({ healthySince: null, healthyMilliseconds: 12_500 })]);
  assert.deepEqual(next, [known({ healthySince: until, healthyMilliseconds: 0 })]);
  const ended = countHealthy([known()], [seen({ isHealthy: false, endedAt: AT + 14_000 })], { ...times, until });
  assert.equal(ended.over[0]?.healthyMilliseconds, 12_000);
  assert.deepEqual(ended.next, [known({ healthySince: null, healthyMilliseconds: 2000 })]);
});

test('property: nobody is healthy for longer than the clock ran, whatever looks find and wherever periods end', () => {
  const look = fc.record({
    step: fc.integer({ min: -5000, max: 90_000 }),
    isHealthy: fc.boolean(),
    isThere: fc.boolean(),
    restarts: fc.nat({ max: 2 }),
    endsAfter: fc.option(fc.nat({ max: 90_000 })),
    startsAfter: fc.option(fc.nat({ max: 90_000 })),
    periodEndsAfter: fc.option(fc.nat({ max: 90_000 })),
  });
  fc.assert(
    fc.property(fc.array(look, { maxLength: 12 }), (looks) => {
      let leases: KnownLease[] = [];
      let [now, told] = [AT, 0];
      let latest = AT;
      for (const { step, isHealthy, isThere, restarts, endsAfter, startsAfter, periodEndsAfter } of looks) {
        const lookedAt = now;
        now = Math.max(AT, now + step);
        latest = Math.max(latest, now);
        const within = (after: number | null) => (after === null ? null : Math.min(lookedAt + after, now));
        const endedAt = isHealthy ? null : within(endsAfter);
        const found = isThere ? [seen({ isHealthy, restarts, endedAt, healthyFrom: within(startsAfter) })] : [];
        const until = step < 0 ? null : within(periodEndsAfter);
        const { over, next } = countHealthy(leases, found, { lookedAt, now, until });
        told += over.reduce((sum, lease) => sum + lease.healthyMilliseconds, 0);
        leases = next;
        const open = leases.reduce((sum, lease) => sum + lease.healthyMilliseconds, 0);
        assert.ok(open >= 0 && told + open <= latest - AT, `${told + open} of ${latest - AT}`);
      }
    }),
    { numRuns: 500 },
  );
});
