import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import {
  type AlarmTrialOptions,
  DEFAULT_LOOP_ALARM,
  expectedDetectionMilliseconds,
  lossesUntil,
  tryAlarm,
} from '../../src/mixing/front.ts';

const options: AlarmTrialOptions = {
  seed: 1,
  attacks: 60,
  loopsPerSecond: 1,
  returnMilliseconds: 9000,
  delay: { meanMilliseconds: 50, capMilliseconds: 1000 },
  delayingHops: 4,
  lostShare: 0,
  passedShare: 0,
};

test('alarm trials: an attack is noticed in the time that theory gives, and a seed repeats the answer', () => {
  const trials = tryAlarm(options);
  assert.deepEqual(tryAlarm(options), trials);
  const expected = expectedDetectionMilliseconds({
    losses: lossesUntil('alarm', DEFAULT_LOOP_ALARM, 256),
    loopsPerSecond: 1,
    returnMilliseconds: 9000,
  });
  assert.equal(trials.alarmMilliseconds.count, 60);
  assert.ok(Math.abs(trials.alarmMilliseconds.mean / expected - 1) < 0.15, String(trials.alarmMilliseconds.mean));
  assert.ok(trials.degradedMilliseconds.mean < trials.alarmMilliseconds.mean);
  assert.ok(trials.degradedMilliseconds.least >= 0);
  assert.deepEqual([trials.withoutAlarm, trials.falselyDegraded, trials.falseAlarms], [0, 0, 0]);
  assert.ok(Math.abs(trials.peaceHours - (60 * 265) / 3600) < 0.01);
});

test('alarm trials: who lets much through is noticed late or not at all, and losses in peace are told falsely', () => {
  const few = { ...options, attacks: 20 };
  const blunt = tryAlarm(few);
  const half = tryAlarm({ ...few, passedShare: 0.5 });
  assert.ok(half.alarmMilliseconds.mean > 1.2 * blunt.alarmMilliseconds.mean);
  const most = tryAlarm({ ...few, passedShare: 0.95 });
  assert.equal(most.withoutAlarm, 20);
  assert.ok(Number.isNaN(most.alarmMilliseconds.mean));
  const lossy = tryAlarm({ ...few, lostShare: 0.25 });
  assert.ok(lossy.falselyDegraded > 10, String(lossy.falselyDegraded));
  assert.ok(tryAlarm({ ...few, lostShare: 0.02 }).falselyDegraded === 0);
});

test('alarm trials: options out of bounds are refused', () => {
  for (const wrong of [{ attacks: 1e6 }, { lostShare: 2 }, { passedShare: -1 }, { loopsPerSecond: 0 }]) {
    assert.throws(() => tryAlarm({ ...options, ...wrong }), FogError);
  }
  assert.equal(tryAlarm({ ...options, attacks: 0 }).attacks, 0);
});
