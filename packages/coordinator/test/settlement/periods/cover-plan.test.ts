/** Whether the cover of a service reaches, and who stops where it does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newRecord } from '@fog/economy/escrow';
import fc from 'fast-check';
import { SETTLEMENT_LIMITS } from '../../../src/limits.ts';
import { type CoverNeeds, planCover, sumOf, type WantedLease } from '../../../src/settlement/periods/cover-plan.ts';
import { ESCROW, TERMS } from './escrow-example.ts';

const PERIOD = SETTLEMENT_LIMITS.periodMilliseconds;

function lease(partition: number, change: Partial<WantedLease> = {}): WantedLease {
  return { partition, fence: 1, provider: 'olga', rate: 1000n, is: 'live', ...change };
}

function plan(deposited: bigint, needs: Partial<CoverNeeds>) {
  const begins = { accrued: 0n, leases: [lease(0), lease(1), lease(2)], leftMilliseconds: PERIOD, hasBegun: true };
  const record = { ...newRecord(TERMS), deposited };
  return planCover(ESCROW, record, { ...begins, wasShort: false, available: 0n, ...needs });
}

test('an hour is put in where there is that much, else as many periods as there are', () => {
  assert.deepEqual(plan(3000n, {}), { topUp: 0n, stops: [], covered: 3, missing: 0n });
  assert.equal(plan(2999n, { available: 1_000_000n }).topUp, 12n * 3000n - 2999n);
  assert.equal(plan(2000n, { available: 5000n }).topUp, 4000n, 'two periods');
  assert.equal(plan(2000n, { available: 1000n }).topUp, 1000n);
});

test('who is not reached stops, from the highest partition down; own nodes never do', () => {
  const short = plan(1500n, { available: 600n });
  assert.deepEqual([short.topUp, short.covered, short.missing], [500n, 2, 900n]);
  assert.deepEqual(
    short.stops.map(({ partition }) => partition),
    [2],
  );
  const own = plan(0n, { leases: [lease(0), lease(1, { provider: 'alice' })] });
  assert.deepEqual([own.stops.map(({ partition }) => partition), own.covered], [[0], 1]);
});

test('within a period only the rest of it is reserved, beside what was earned', () => {
  const needs = { accrued: 1500n, leftMilliseconds: PERIOD / 2, hasBegun: false };
  assert.deepEqual([plan(3000n, needs).topUp, plan(3000n, needs).missing], [0n, 0n]);
  assert.equal(plan(2999n, needs).missing, 1n);
});

test('what has stopped begins again with a period, or when the next one is paid for as well', () => {
  const leases = [lease(0), lease(1, { is: 'missing' })];
  const late = { leases, accrued: 900n, leftMilliseconds: PERIOD / 10, hasBegun: false, wasShort: true };
  const still = plan(1500n, late);
  assert.deepEqual([still.covered, still.stops, still.topUp], [1, [], 0n]);
  const again = plan(1500n, { ...late, available: 1600n });
  assert.deepEqual([again.covered, again.missing, again.topUp], [2, 0n, 1600n]);
  assert.equal(plan(2000n, { ...late, accrued: 0n, leftMilliseconds: PERIOD, hasBegun: true }).covered, 2);
});

test('property: what goes on is covered, no more is put in than there is, and nobody stops who could go on', () => {
  const one = fc.record({
    rate: fc.bigInt({ min: 0n, max: 1000n }),
    provider: fc.constantFrom('alice', 'olga', 'oleg'),
    is: fc.constantFrom('live', 'waiting', 'missing', 'leaving'),
  });
  const amount = fc.bigInt({ min: 0n, max: 5000n });
  const needs = fc.record({
    deposited: amount,
    available: amount,
    accrued: amount,
    leftMilliseconds: fc.nat({ max: PERIOD }),
    hasBegun: fc.boolean(),
    wasShort: fc.boolean(),
    leases: fc.array(one, { maxLength: 6 }),
  });
  fc.assert(
    fc.property(needs, ({ deposited, leases: some, ...given }) => {
      const leases = some.map((each, partition) => lease(partition, each as Partial<WantedLease>));
      const found = plan(deposited, { ...given, leases });
      assert.ok(found.topUp >= 0n && found.topUp <= given.available);
      const parts = leases.map((each) => {
        return { ...each, rate: (each.rate * BigInt(given.leftMilliseconds) + BigInt(PERIOD) - 1n) / BigInt(PERIOD) };
      });
      const stopped = new Set(found.stops.map(({ partition }) => partition));
      const isHeld = given.wasShort && !given.hasBegun && found.missing > 0n;
      const going = parts.filter(({ partition, is }) => !stopped.has(partition) && !(isHeld && is === 'missing'));
      if (sumOf(ESCROW, going) > 0n) assert.ok(deposited + found.topUp >= given.accrued + sumOf(ESCROW, going));
      if (found.missing === 0n) assert.equal(found.stops.length, 0);
    }),
    { numRuns: 500 },
  );
});
