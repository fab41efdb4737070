import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { accountId } from '../../src/chart.ts';
import {
  addCover,
  balanceOf,
  closeEscrow,
  openEscrow,
  planPeriod,
  type RunLease,
  settlePeriod,
  settleStream,
  topUpFor,
} from '../../src/escrow/index.ts';
import { assertDone, Balances } from './balances.ts';
import { escrowWith } from './examples.ts';

const INVALID = { code: 'invalid-request' };
const PERIOD = 300_000;
const SERVICE = { periodMilliseconds: PERIOD, mostResults: 1, tasks: 3, maximumPrice: 100n };

function lease(partition: number, changes: Partial<RunLease> = {}): RunLease {
  return { partition, fence: 1, provider: `p${partition}`, rate: 100n, healthyMilliseconds: PERIOD, ...changes };
}

test('a period is paid to each replica for the time it was healthy, once', () => {
  const escrow = escrowWith(SERVICE);
  const { record } = openEscrow(escrow, 300n);
  const leases = [lease(1, { healthyMilliseconds: 150_000 }), lease(0), lease(2, { provider: 'alice' })];
  const step = settlePeriod(escrow, record, { period: 1, leases });
  assert.deepEqual(
    step.transfers.map(({ amount }) => amount),
    [95n, 48n, 7n],
    'two providers, and the fee',
  );
  assert.equal(balanceOf(step.record), 150n);
  assert.deepEqual(settlePeriod(escrow, step.record, { period: 1, leases }), { record: step.record, transfers: [] });
});

test('nothing runs on credit: without cover the highest partitions stop, and start when it is topped up', () => {
  const escrow = escrowWith(SERVICE);
  const opened = openEscrow(escrow, 300n).record;
  const leases = [lease(2), lease(0), lease(1)];
  const whole = planPeriod(escrow, opened, leases);
  assert.deepEqual([whole.goesOn.length, whole.stops.length, whole.periods, whole.missing], [3, 0, 1, 0n]);
  const { record } = settlePeriod(escrow, opened, { period: 1, leases: [lease(0)] });
  const plan = planPeriod(escrow, record, leases);
  assert.deepEqual(
    plan.goesOn.map(({ partition }) => partition),
    [0, 1],
  );
  assert.deepEqual(
    plan.stops.map(({ partition }) => partition),
    [2],
  );
  assert.deepEqual([plan.periods, plan.missing], [1, 100n]);
  assert.equal(topUpFor(escrow, record, { leases, periods: 2 }), 400n);
  const more = addCover(escrow, record, { number: 2, amount: 400n, available: 400n });
  assert.equal(planPeriod(escrow, more.record, leases).periods, 2);
  assert.deepEqual(addCover(escrow, more.record, { number: 2, amount: 400n, available: 0n }).transfers, []);
  assert.throws(() => addCover(escrow, more.record, { number: 4, amount: 1n, available: 1n }), { code: 'conflict' });
  assert.throws(() => addCover(escrow, more.record, { number: 3, amount: 5n, available: 4n }), {
    code: 'insufficient-funds',
  });
});

test('a service that is over gets its rest back, and takes no more cover', () => {
  const escrow = escrowWith(SERVICE);
  const { record } = settlePeriod(escrow, openEscrow(escrow, 300n).record, { period: 1, leases: [lease(0)] });
  const end = closeEscrow(escrow, record, { hasEnded: true, liveLeases: 0, reopenedTasks: 0 });
  assert.deepEqual([end?.record.refunded, end?.record.fees, end?.record.paid], [200n, 5n, 95n]);
  assert.ok(end);
  assert.throws(() => addCover(escrow, end.record, { number: 2, amount: 1n, available: 1n }), { code: 'conflict' });
  assert.deepEqual(settlePeriod(escrow, end.record, { period: 2, leases: [lease(0)] }).transfers, []);
  assert.equal(planPeriod(escrow, end.record, [lease(0)]).goesOn.length, 0);
});

test('malformed periods and leases are refused', () => {
  const escrow = escrowWith(SERVICE);
  const { record } = openEscrow(escrow, 300n);
  const settle = (leases: RunLease[], period = 1) => settlePeriod(escrow, record, { period, leases });
  assert.throws(() => settle([lease(0), lease(0)]), INVALID);
  assert.throws(() => settle([lease(0, { rate: 101n })]), INVALID);
  assert.throws(() => settle([lease(0, { rate: -1n })]), INVALID);
  assert.throws(() => settle([lease(0, { healthyMilliseconds: -1 })]), INVALID);
  assert.throws(() => settle([], 0), INVALID);
  assert.throws(() => settlePeriod(escrowWith(), record, { period: 1, leases: [] }), INVALID);
});

test('property: a service never owes more than lies there, and all that was put in is told at the end', () => {
  const period = fc.record({
    leases: fc.uniqueArray(
      fc.record({
        partition: fc.nat({ max: 2 }),
        fence: fc.integer({ min: 1, max: 3 }),
        provider: fc.constantFrom('alice', 'bob', 'carol'),
        rate: fc.bigInt({ min: 0n, max: 100n }),
        healthyMilliseconds: fc.nat({ max: 2 * PERIOD }),
      }),
      { selector: ({ partition, fence }) => `${partition} ${fence}`, maxLength: 5 },
    ),
    topUp: fc.option(fc.bigInt({ min: 0n, max: 500n })),
    isSettled: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(period, { maxLength: 8 }), (periods) => {
      const escrow = escrowWith(SERVICE);
      const balances = new Balances();
      const start = openEscrow(escrow, 300n);
      balances.open(start.accounts);
      balances.apply(start.transfers);
      let { record } = start;
      for (const [index, { leases, topUp, isSettled }] of periods.entries()) {
        if (topUp !== null) {
          const step = addCover(escrow, record, { number: record.covers + 1, amount: topUp, available: topUp });
          assertDone(balances.apply(step.transfers));
          record = step.record;
        }
        const plan = planPeriod(escrow, record, leases);
        const reserved = plan.goesOn.reduce((sum, { provider, rate }) => sum + (provider === 'alice' ? 0n : rate), 0n);
        assert.ok(reserved <= balanceOf(record));
        if (!isSettled) continue;
        const step = settlePeriod(escrow, record, { period: index + 1, leases });
        assertDone(balances.apply(step.transfers));
        record = step.record;
        assert.equal(balances.balance(accountId('fog', 'escrow', 'j1')), balanceOf(record));
      }
      const end = closeEscrow(escrow, record, { hasEnded: true, liveLeases: 0, reopenedTasks: 0 });
      assert.ok(end);
      assertDone(balances.apply(end.transfers));
      const { deposited, paid, fees, refunded } = end.record;
      assert.equal(paid + fees + refunded, deposited);
      assert.equal(balances.balance(accountId('fog', 'escrow', 'j1')), 0n);
    }),
    { numRuns: 300 },
  );
});

test('property: a stream pays what is owed or all there is, in order, and tells what is missing', () => {
  const amount = fc.bigInt({ min: 0n, max: 1000n });
  fc.assert(
    fc.property(amount, amount, fc.array(amount, { maxLength: 5 }), (elapsed, balance, rates) => {
      const { paid, unsettled, balance: left } = settleStream({ elapsed, balance, rates });
      const sum = (list: bigint[]) => list.reduce((total, one) => total + one, 0n);
      assert.equal(sum(paid) + sum(unsettled), elapsed * sum([...rates]));
      assert.equal(left, balance - elapsed * sum([...rates]));
      assert.ok(sum(paid) <= balance);
      const short = unsettled.findIndex((missing) => missing > 0n);
      if (short >= 0) assert.ok(paid.slice(short + 1).every((one) => one === 0n));
    }),
  );
  assert.throws(() => settleStream({ elapsed: -1n, balance: 0n, rates: [] }), INVALID);
  assert.throws(() => settleStream({ elapsed: 1n, balance: -1n, rates: [] }), INVALID);
  assert.throws(() => settleStream({ elapsed: 1n, balance: 1n, rates: [-1n] }), INVALID);
});
