/** When an attempt yields, by what it was told and how its program ended. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FailureReason, YieldReason } from '@fog/contract';
import type { AttemptOutcome } from '@fog/runtimes';
import type { AttemptCheckpoints } from '../src/checkpoints.ts';
import { type Departure, Migration } from '../src/migration.ts';

const usage = { wallMilliseconds: 1, cpuMilliseconds: null, peakMemoryBytes: null };
const CHECKPOINTS = { everyMilliseconds: null, graceMilliseconds: 100 } as AttemptCheckpoints;

function migration(checkpoints: AttemptCheckpoints | null) {
  const clock = { now: 0 };
  const frozen = { pause: async () => true, resume: async () => true };
  const subject = new Migration({
    checkpoints,
    running: () => ({ outcome: new Promise(() => undefined), kill: () => undefined, ...frozen }),
    report: () => undefined,
    note: () => undefined,
    resumed: () => undefined,
    now: () => clock.now,
  });
  return { subject, clock };
}

function failed(reason: FailureReason, exitCode: number | null = null): AttemptOutcome {
  return { status: 'failed', reason, message: '', exitCode, usage, engine: 'x' };
}
const succeeded: AttemptOutcome = { status: 'succeeded', exitCode: 0, outputs: [], usage, engine: 'x' };

test('success is success, code 85 asks for another start, and what was told to go has not failed by going', () => {
  const told: Departure = { reason: 'drained', message: '', yields: 'suspended' };
  const cases: [
    AttemptCheckpoints | null,
    { drains: boolean; told: Departure | null },
    AttemptOutcome,
    YieldReason | null,
  ][] = [
    [CHECKPOINTS, { drains: false, told: null }, succeeded, null],
    [CHECKPOINTS, { drains: false, told: null }, failed('exit-code', 1), null],
    [CHECKPOINTS, { drains: false, told: null }, failed('exit-code', 85), 'exit-85'],
    [null, { drains: false, told: null }, failed('exit-code', 85), null],
    [CHECKPOINTS, { drains: true, told: null }, succeeded, null],
    [CHECKPOINTS, { drains: true, told: null }, failed('exit-code', 143), 'drained'],
    [CHECKPOINTS, { drains: true, told: null }, failed('oom'), null],
    [null, { drains: true, told: null }, failed('exit-code', 143), null],
    [CHECKPOINTS, { drains: false, told }, failed('drained'), 'suspended'],
    [CHECKPOINTS, { drains: false, told }, failed('exit-code', 1), 'suspended'],
    [CHECKPOINTS, { drains: false, told }, failed('oom'), null],
    [null, { drains: false, told }, failed('drained'), 'suspended'],
    [CHECKPOINTS, { drains: false, told }, succeeded, null],
  ];
  for (const [checkpoints, { drains, told: departure }, outcome, expected] of cases) {
    const { subject } = migration(checkpoints);
    subject.began();
    if (drains) subject.drain();
    assert.equal(subject.yieldAfter(outcome, departure), expected, JSON.stringify([drains, departure, outcome]));
  }
});

test('an attempt leaves before its program has begun, after the grace of a drain, and when its place is lost', async () => {
  const early = migration(CHECKPOINTS);
  assert.equal(early.subject.watch(0), null);
  early.subject.suspend(1_000_000);
  assert.equal(early.subject.watch(0)?.yields, 'suspended');
  const draining = migration(CHECKPOINTS);
  draining.subject.began();
  draining.subject.drain();
  assert.equal(draining.subject.watch(99), null);
  assert.equal(draining.subject.watch(100)?.yields, 'drained');
  const patient = migration(null);
  patient.subject.began();
  patient.subject.drain();
  assert.equal(patient.subject.watch(1e9), null, 'without checkpoints the deadline of the node counts');
  patient.subject.suspend(50);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(patient.subject.isSuspended, true);
  assert.equal(patient.subject.watch(49), null);
  assert.equal(patient.subject.watch(50)?.yields, 'suspended');
});
