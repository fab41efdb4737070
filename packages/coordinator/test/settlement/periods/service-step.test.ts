/** What looks at one service lead to: which periods end when, and what is paid for them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newRecord } from '@fog/economy/escrow';
import { SETTLEMENT_LIMITS } from '../../../src/limits.ts';
import type { KnownLease } from '../../../src/settlement/periods/healthy-time.ts';
import { payPeriods } from '../../../src/settlement/periods/service-step.ts';
import type { ServiceView } from '../../../src/settlement/periods/service-view.ts';
import { ESCROW, TERMS } from './escrow-example.ts';

const AT = 1_000_000;
const PERIOD = SETTLEMENT_LIMITS.periodMilliseconds;

function known(partition: number, change: Partial<KnownLease> = {}): KnownLease {
  const name = { partition, fence: 1, payee: 'olga', price: 1000, restarts: 0 };
  return { ...name, healthySince: null, healthyMilliseconds: 30_000, ...change };
}

function view(change: Partial<ServiceView>): ServiceView {
  return {
    service: { job: 'j1', principal: 'alice', name: 'web', beganAt: AT, lookedAt: AT },
    escrow: ESCROW,
    record: { ...newRecord(TERMS), deposited: 10_000_000n },
    hasEnded: false,
    known: [],
    seen: [],
    replicas: [],
    rateOf: () => 1000n,
    ...change,
  };
}

test('a period ends by its time, and pays what was healthy before its end; the rest is for the next one', () => {
  const lease = known(0, { healthySince: AT + 100_000, healthyMilliseconds: 0 });
  const seen = [{ ...lease, isHealthy: true, healthyFrom: null, endedAt: null }];
  const now = AT + PERIOD + 4000;
  const step = payPeriods(view({ known: [lease], seen }), { lookedAt: now - 5000, now });
  assert.deepEqual([step.record.periods, step.beganAt, step.hasBegun], [1, AT + PERIOD, true]);
  assert.equal(step.record.paid + step.record.fees, 666n, 'two thirds of it');
  assert.deepEqual(step.known, [{ ...lease, healthySince: AT + PERIOD }]);
  assert.equal(step.accrued, 13n);
});

test('the end of the job ends its last period, after the one before where that is due', () => {
  const now = AT + PERIOD + 4000;
  const lease = known(0, { healthySince: AT, healthyMilliseconds: 0 });
  const seen = [{ ...lease, isHealthy: false, healthyFrom: null, endedAt: now - 1000 }];
  const step = payPeriods(view({ known: [lease], seen, hasEnded: true }), { lookedAt: now - 5000, now });
  assert.deepEqual([step.record.periods, step.known], [2, []]);
  assert.equal(step.record.paid + step.record.fees, 1000n + 10n);
  const nothing = payPeriods(view({ hasEnded: true }), { lookedAt: AT, now: AT + 1000 });
  assert.deepEqual([nothing.record.periods, nothing.transfers], [0, []]);
});

test('a period ends early when very many leases have ended in it', () => {
  const many = Array.from({ length: SETTLEMENT_LIMITS.endedLeases + 1 }, (_, partition) => known(partition));
  const times = { lookedAt: AT + 40_000, now: AT + 45_000 };
  const step = payPeriods(view({ known: many }), times);
  assert.deepEqual([step.record.periods, step.beganAt, step.known], [1, AT + 45_000, []]);
  assert.equal(step.record.paid + step.record.fees, 100n * BigInt(many.length));
  assert.equal(payPeriods(view({ known: many.slice(1) }), times).record.periods, 0);
});
