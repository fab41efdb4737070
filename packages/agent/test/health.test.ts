/** What follows from health checks, without any. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  adoptedHealth,
  afterCheck,
  checkDelay,
  type HealthPolicy,
  type HealthState,
  startedHealth,
} from '../src/health.ts';
import { restartPolicyOf, restartsAfter } from '../src/restart-policy.ts';

const POLICY: HealthPolicy = {
  intervalMilliseconds: 10_000,
  timeoutMilliseconds: 2000,
  retries: 3,
  startPeriodMilliseconds: 30_000,
};
const good = { isHealthy: true, message: 'well' };
const bad = { isHealthy: false, message: 'sick' };

function after(results: [boolean, number][], policy = POLICY, from = startedHealth(0)): HealthState {
  return results.reduce((state, [isHealthy, at]) => afterCheck(state, policy, isHealthy ? good : bad, at), from);
}

describe('health', () => {
  test('failures of the start period do not count; a success ends it', () => {
    const early: [boolean, number][] = [1000, 2000, 3000, 4000, 29_999].map((at) => [false, at]);
    assert.deepEqual([after(early).status, after(early).failures], ['starting', 0]);
    assert.equal(after([...early, [false, 30_000], [false, 40_000]]).status, 'starting');
    assert.equal(after([...early, [false, 30_000], [false, 40_000], [false, 50_000]]).status, 'unhealthy');
    const begun: [boolean, number][] = [[true, 1000], ...early.slice(1)];
    assert.equal(after(begun).status, 'unhealthy');
  });

  test('only failures in a row count', () => {
    const state = after([
      [true, 1],
      [false, 2],
      [false, 3],
      [true, 4],
      [false, 5],
      [false, 6],
    ]);
    assert.deepEqual([state.status, state.failures], ['healthy', 2]);
  });

  test('the first check comes soon, and those of the start period; later ones keep the interval', () => {
    const fresh = startedHealth(0);
    assert.equal(checkDelay(fresh, POLICY, 0), 1000);
    assert.equal(checkDelay(after([[false, 1000]]), POLICY, 1000), 1000);
    assert.equal(checkDelay(after([[false, 31_000]]), POLICY, 31_000), 10_000);
    assert.equal(checkDelay(after([[true, 1000]]), POLICY, 1000), 10_000);
    const strict = { ...POLICY, startPeriodMilliseconds: 0 };
    assert.equal(checkDelay(after([[false, 1000]], strict), strict, 1000), 10_000);
    assert.equal(checkDelay(fresh, { ...POLICY, intervalMilliseconds: 200 }, 0), 200);
    assert.equal(checkDelay(adoptedHealth(), POLICY, 5), 1000);
    assert.equal(after([[false, 5]], POLICY, adoptedHealth()).failures, 1);
  });

  test('property: unhealthy exactly after `retries` counted failures in a row, and then for good', () => {
    const results = fc.array(fc.tuple(fc.boolean(), fc.nat(20_000)), { maxLength: 30 });
    fc.assert(
      fc.property(
        results,
        fc.integer({ min: 1, max: 5 }),
        fc.nat(60_000),
        (steps, retries, startPeriodMilliseconds) => {
          const policy = { ...POLICY, retries, startPeriodMilliseconds };
          let state = startedHealth(0);
          let [now, inARow, hasSucceeded] = [0, 0, false];
          for (const [isHealthy, wait] of steps) {
            now += wait;
            state = afterCheck(state, policy, isHealthy ? good : bad, now);
            if (inARow >= retries) {
              assert.equal(state.status, 'unhealthy');
              continue;
            }
            hasSucceeded ||= isHealthy;
            if (isHealthy) inARow = 0;
            else if (hasSucceeded || now >= startPeriodMilliseconds) inARow += 1;
            const expected = inARow >= retries ? 'unhealthy' : hasSucceeded ? 'healthy' : 'starting';
            assert.deepEqual([state.status, state.failures], [expected, inARow]);
            const delay = checkDelay(state, policy, now);
            assert.ok(delay > 0 && delay <= policy.intervalMilliseconds);
          }
        },
      ),
    );
  });
});

describe('restarts', () => {
  const policy = restartPolicyOf({ attempts: 2, within: '1m', delay: '1s' });

  test('are counted within a time, and only of ends that another try may change', () => {
    assert.deepEqual(restartsAfter(policy, [], 'exit-code', 0), [0]);
    assert.deepEqual(restartsAfter(policy, [0], 'ended', 30_000), [0, 30_000]);
    assert.equal(restartsAfter(policy, [0, 30_000], 'oom', 59_999), null);
    assert.deepEqual(restartsAfter(policy, [0, 30_000], 'unhealthy', 60_000), [30_000, 60_000]);
    for (const reason of ['sandbox', 'drained', 'command-not-found', 'image-missing'] as const) {
      assert.equal(restartsAfter(policy, [], reason, 0), null, reason);
    }
    assert.deepEqual(restartPolicyOf(undefined), {
      attempts: 3,
      withinMilliseconds: 600_000,
      delayMilliseconds: 1000,
    });
    assert.equal(restartsAfter({ ...policy, attempts: 0 }, [], 'ended', 0), null);
  });

  test('property: never more than allowed within the time', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40_000), { maxLength: 60 }), (waits) => {
        let [now, counting] = [0, [] as number[]];
        const all: number[] = [];
        for (const wait of waits) {
          now += wait;
          const next = restartsAfter(policy, counting, 'ended', now);
          if (next === null) continue;
          counting = next;
          all.push(now);
          assert.ok(counting.length <= policy.attempts);
        }
        for (const at of all) {
          const within = all.filter((other) => other <= at && at - other < policy.withinMilliseconds);
          assert.ok(within.length <= policy.attempts);
        }
      }),
    );
  });
});
