import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '@fog/contract';
import { takesLog } from '../../src/dispatch/log-room.ts';

const { serviceLogBytes: BYTES, serviceLogMilliseconds: WINDOW } = LIMITS;

test('the log of a job takes what follows it, up to the limit', () => {
  const takes = (logBytes: number, offset: number) =>
    takesLog({ logBytes, startedAt: 0 }, offset, { isKeptRunning: false, limitBytes: 10, now: 100 * WINDOW });
  assert.deepEqual([takes(0, 0), takes(9, 9)], [true, true]);
  assert.deepEqual([takes(5, 4), takes(5, 6), takes(10, 10)], [false, false, false]);
});

test('the log of a service goes on with time, also behind a gap, and never back', () => {
  const takes = (logBytes: number, offset: number, now: number, startedAt: number | null = 0) =>
    takesLog({ logBytes, startedAt }, offset, { isKeptRunning: true, limitBytes: 10, now });
  assert.deepEqual([takes(0, 0, 0, null), takes(5, 5, 0), takes(5, 9, 0)], [true, true, true]);
  assert.equal(takes(5, 4, 0), false);
  assert.deepEqual([takes(BYTES, 2 * BYTES - 1, 0), takes(BYTES, 2 * BYTES, 0)], [true, false]);
  assert.deepEqual([takes(2 * BYTES, 2 * BYTES, WINDOW), takes(3 * BYTES, 3 * BYTES, WINDOW)], [true, false]);
});
