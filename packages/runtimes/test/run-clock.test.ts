import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { RunClock } from '../src/run-clock.ts';

describe('the clock of a run', () => {
  it('calls once its time is up, pauses not counted', async () => {
    const expired = mock.fn();
    const clock = new RunClock(200, expired);
    clock.start();
    await delay(20);
    clock.pause();
    const elapsed = clock.elapsedMilliseconds;
    assert.ok(elapsed >= 19, `${elapsed}`);
    await delay(250);
    assert.deepEqual([clock.elapsedMilliseconds, expired.mock.callCount()], [elapsed, 0]);
    clock.resume();
    clock.resume();
    await delay(250);
    assert.equal(expired.mock.callCount(), 1);
  });

  it('counts what ran before', async () => {
    const expired = mock.fn();
    const clock = new RunClock(60_000, expired);
    clock.start(70_000);
    await delay(20);
    assert.equal(expired.mock.callCount(), 1);
    clock.stop();
    assert.ok(clock.elapsedMilliseconds >= 70_000);
  });

  it('stands while it is paused, and for good once it is stopped', async () => {
    const rung = Promise.withResolvers<void>();
    const clock = new RunClock(60, rung.resolve);
    clock.start();
    clock.pause();
    const held = clock.elapsedMilliseconds;
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(clock.elapsedMilliseconds, held);
    clock.resume();
    await rung.promise;
    assert.ok(clock.elapsedMilliseconds >= 58, `${clock.elapsedMilliseconds}`);
    clock.stop();
    const stopped = clock.elapsedMilliseconds;
    clock.resume();
    assert.equal(clock.elapsedMilliseconds, stopped);
  });

  it('does not call before a limit that is longer than a timer of Node takes', () => {
    const DAY = 86_400_000;
    const expired = mock.fn();
    let now = 0;
    let over = () => {};
    const wait = (milliseconds: number, then: () => void): (() => void) => {
      over = () => {
        now += milliseconds;
        then();
      };
      return () => {};
    };
    const clock = new RunClock(30 * DAY, expired, { now: () => now, wait });
    clock.start();
    over();
    assert.deepEqual([now < 25 * DAY, expired.mock.callCount()], [true, 0]);
    over();
    assert.deepEqual([now, expired.mock.callCount()], [30 * DAY, 1]);
  });
});
