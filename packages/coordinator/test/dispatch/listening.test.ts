/** Since when agents could be heard, by what coordinators tell of themselves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Listening } from '../../src/dispatch/listening.ts';
import { DISPATCH_LIMITS } from '../../src/limits.ts';

const GRACE = DISPATCH_LIMITS.reconnectMilliseconds;
const HOUR = 3_600_000;
const START = 10 * HOUR;

test('a coordinator that is alone listens from its start, after some time for agents to come back', () => {
  const listening = new Listening(START);
  listening.see([], START);
  listening.see([], START + HOUR);
  assert.equal(listening.since, START + GRACE);
});

test('one that lives has listened since before; the row of one that is gone tells nothing, even from the future', () => {
  const listening = new Listening(START);
  const gone = { id: 'gone', started_at: 1 * HOUR, seen_at: START + 20_000 };
  const first = { id: 'first', started_at: 3 * HOUR, seen_at: START - 2000 };
  listening.see([gone, first], START);
  assert.equal(listening.since, START + GRACE);
  listening.see([gone, { ...first, seen_at: START + 3000 }], START + 5000);
  assert.equal(listening.since, 3 * HOUR + GRACE);
  const later = { id: 'later', started_at: START + HOUR, seen_at: START + HOUR };
  listening.see([later], START + HOUR);
  listening.see([{ ...later, seen_at: START + HOUR + 5000 }], START + HOUR + 5000);
  assert.equal(listening.since, 3 * HOUR + GRACE);
});

test('a clock that is set back makes nothing wait for it', () => {
  const listening = new Listening(START);
  listening.see([], START - HOUR);
  assert.equal(listening.since, START - HOUR + GRACE);
});
