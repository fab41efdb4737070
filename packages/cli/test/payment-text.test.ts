import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeploymentPayment } from '@fog/contract';
import pc from 'picocolors';
import { deploymentPaymentText } from '../src/output/payment-text.ts';

const NOW = Date.UTC(2026, 2, 1, 12);

test('what a deployment costs is told with its end, and with what is lacking', () => {
  const job = {
    job: 'j000000000000000001',
    currency: 'fog' as const,
    phase: 'open' as const,
    maximumPrice: '2000',
    deposited: '28000',
    paid: '1900',
    fees: '100',
    burned: '0',
    oversight: '0',
    lateOversight: '0',
    credits: '0',
    refunded: '0',
    revision: 2,
    periods: 1,
    earned: '500',
    costPerPeriod: '2000',
  };
  const payment: DeploymentPayment = {
    name: 'web',
    principal: 'alice',
    currency: 'fog',
    periodMilliseconds: 300_000,
    costPerPeriod: '2000',
    coveredUntil: NOW + 600_000,
    uncovered: '1 replica has no cover',
    jobs: [job],
  };
  const colours = pc.createColors(false);
  const text = deploymentPaymentText(payment, NOW, colours);
  assert.match(text, /^costs +0\.002 FOG for 5m$/m);
  assert.match(text, /^covered until +2026-03-01 12:10:00 UTC \(in 10m\)$/m);
  assert.match(text, /^no cover +1 replica has no cover$/m);
  assert.match(text, /^2 +j000000000000000001 +open +0\.028 +0\.0019 +0\.0001 +0\.0005 +0 +1$/m);
  const free = deploymentPaymentText({ ...payment, coveredUntil: null, uncovered: null }, NOW, colours);
  assert.match(free, /^covered until +nothing runs that costs anything$/m);
  assert.doesNotMatch(free, /no cover/);
});
