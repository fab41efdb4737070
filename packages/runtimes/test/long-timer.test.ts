import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { startLongTimer } from '../src/long-timer.ts';

const DAY_MILLISECONDS = 24 * 3_600_000;

/** A clock whose waits behave as those of Node: what is above 2^31 - 1 is over at once. */
function clockOfNode() {
  let now = 5;
  let waiting: { at: number; over: () => void } | null = null;
  return {
    now: () => now,
    wait(milliseconds: number, over: () => void) {
      const mine = { at: now + (milliseconds > 2 ** 31 - 1 ? 1 : milliseconds), over };
      waiting = mine;
      return () => {
        if (waiting === mine) waiting = null;
      };
    },
    /** Runs the next wait; false when there is none. */
    step(): boolean {
      const next = waiting;
      if (next === null) return false;
      waiting = null;
      now = Math.max(now, next.at);
      next.over();
      return true;
    },
  };
}

test('a timer fires once, at its time, however long that is', () => {
  const durations = fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 400 * DAY_MILLISECONDS }));
  fc.assert(
    fc.property(durations, (milliseconds) => {
      const clock = clockOfNode();
      const fired: number[] = [];
      startLongTimer(milliseconds, () => fired.push(clock.now() - 5), clock);
      while (clock.step());
      assert.deepEqual(fired, [milliseconds]);
    }),
    { examples: [[25 * DAY_MILLISECONDS], [2 ** 31], [2 ** 31 - 1]] },
  );
});

test('a cancelled timer does not fire, in its first step or a later one', () => {
  for (const steps of [0, 1, 2]) {
    const clock = clockOfNode();
    const cancel = startLongTimer(100 * DAY_MILLISECONDS, () => assert.fail('fired'), clock);
    for (let step = 0; step < steps; step += 1) assert.ok(clock.step());
    cancel();
    assert.equal(clock.step(), false);
  }
});

test('a timer of the process runs', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  startLongTimer(1, resolve);
  await promise;
  startLongTimer(30 * DAY_MILLISECONDS, () => assert.fail('fired at once'))();
});
