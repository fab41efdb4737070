import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextRound } from 'node:timers/promises';
import { NODE_LIMITS } from '../../src/node/limits.ts';
import { loopBusyShare, UnwrapPlace } from '../../src/node/unwrap-place.ts';

const PERIOD = NODE_LIMITS.unwrapPeriodMilliseconds;

/** Feeds whole periods; answers where the last packet of each went. */
function placesOf(periods: readonly { perMillisecond: number; busy: number }[]): string[] {
  let [busy, now] = [0, 1000];
  const place = new UnwrapPlace(() => busy);
  place.areForThreads(0, now);
  return periods.map((period) => {
    busy = period.busy;
    for (let at = 1; at < PERIOD; at += 1) place.areForThreads(period.perMillisecond, now + at);
    now += PERIOD;
    return place.areForThreads(period.perMillisecond, now) ? 'threads' : 'here';
  });
}

test('the threads get packets when the I/O thread has had no pause, until clearly fewer come', () => {
  const periods = [
    { perMillisecond: 30, busy: 0.9 },
    { perMillisecond: 40, busy: 1 },
    { perMillisecond: 58, busy: 0.6 },
    { perMillisecond: 39, busy: 0.4 },
    { perMillisecond: 27, busy: 0.4 },
    { perMillisecond: 27, busy: 0.8 },
  ];
  assert.deepEqual(placesOf(periods), ['here', 'threads', 'threads', 'threads', 'here', 'here']);
});

test('a load that lasts is tried again, ever more rarely; one that the I/O thread can bear stays there', () => {
  const tried = placesOf(Array.from({ length: 100 }, () => ({ perMillisecond: 50, busy: 1 })));
  const tries = tried.flatMap((place, index) => (place === 'here' ? [index * PERIOD] : []));
  assert.ok(tries.length >= 3 && tries.length <= 5, `tries at ${tries} ms`);
  const pauses = tries.slice(1).map((at, index) => at - (tries[index] as number));
  assert.ok(pauses.every((pause, index) => index === 0 || pause > (pauses[index - 1] as number)));
  const start = [{ perMillisecond: 27, busy: 1 }];
  const later = Array.from({ length: 30 }, () => ({ perMillisecond: 27, busy: 0.8 }));
  const places = placesOf([...start, ...later]);
  assert.equal(places[0], 'threads');
  assert.ok(places.slice(10).every((place) => place === 'here'));
});

test('a long silence is no load', () => {
  let busy = 1;
  const place = new UnwrapPlace(() => busy);
  place.areForThreads(1, 0);
  place.areForThreads(1000, 10);
  assert.equal(place.areForThreads(1, PERIOD), true);
  busy = 0;
  assert.equal(place.areForThreads(1, 10_000), false);
});

test('the busy share of an event loop is that of the time since the last call', async () => {
  await nextRound();
  const share = loopBusyShare();
  for (const end = performance.now() + 20; performance.now() < end; );
  assert.ok(share() > 0.9);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(share() < 0.6);
});
