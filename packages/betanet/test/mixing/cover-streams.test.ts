import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import fc from 'fast-check';
import {
  ClientStreams,
  chiSquared,
  PoissonStream,
  planSending,
  RandomNumbers,
  type SendEvent,
  STREAM_NAMES,
  type StreamRates,
  seededBytes,
} from '../../src/mixing/front.ts';

const seeded = (seed: number) => new RandomNumbers(seededBytes(seed));
const rates: StreamRates = { payload: 2, loop: 1, drop: 0.5 };
const unlimited = { bytesPerHour: null, packetBytes: 3000 };
const HOUR = 3_600_000;

/** What is sent while `queued(now)` packets wait, asked every `every` ms. */
function run(
  streams: ClientStreams,
  random: RandomNumbers,
  until: number,
  every: number,
  queued: (now: number) => number,
) {
  const events: SendEvent[] = [];
  for (let now = 0; now <= until; now += every) events.push(...streams.next(now, random, queued(now)));
  return events;
}

test('client streams: when something is sent does not depend on what is waiting', () => {
  fc.assert(
    fc.property(fc.integer(), fc.infiniteStream(fc.nat(5)), (seed, waiting) => {
      const outside = (queued: (now: number) => number) => {
        const random = seeded(seed);
        const streams = new ClientStreams(rates, unlimited, 0, random);
        return run(streams, random, 10_000, 100, queued).map(
          ({ atMilliseconds, stream }) => `${stream} ${atMilliseconds}`,
        );
      };
      const silent = outside(() => 0);
      assert.deepEqual(
        outside(() => 1e6),
        silent,
      );
      assert.deepEqual(
        outside(() => waiting.next().value),
        silent,
      );
    }),
    { numRuns: 30 },
  );
});

test('client streams: each queued event takes one waiting packet, in payload slots only; a slot never stays empty', () => {
  const random = seeded(1);
  const streams = new ClientStreams({ payload: 20, loop: 5, drop: 5 }, unlimited, 0, random);
  let waiting = 0;
  let taken = 0;
  for (let now = 0; now < 60_000; now += 500) {
    waiting += 7;
    const events = streams.next(now, random, waiting);
    const queued = events.filter(({ packet }) => packet === 'queued').length;
    const slots = events.filter(({ stream }) => stream === 'payload').length;
    assert.equal(queued, Math.min(waiting, slots));
    for (const { stream, packet } of events) {
      assert.ok(stream === 'payload' ? packet !== 'loop' : packet === stream);
    }
    assert.deepEqual(
      events.map(({ atMilliseconds }) => atMilliseconds).sort((a, b) => a - b),
      events.map(({ atMilliseconds }) => atMilliseconds),
    );
    waiting -= queued;
    taken += queued;
  }
  assert.ok(taken > 500);
});

test('client streams: the counts of each stream are Poisson', () => {
  const random = seeded(2);
  const streams = new ClientStreams({ payload: 3, loop: 2, drop: 1 }, unlimited, 0, random);
  const seconds = 5000;
  const events = run(streams, random, 1000 * seconds, 250, () => 0);
  for (const [stream, mean] of [
    ['payload', 3],
    ['loop', 2],
    ['drop', 1],
  ] as const) {
    const perSecond = new Array<number>(seconds + 1).fill(0);
    for (const event of events.filter((one) => one.stream === stream)) {
      const second = Math.floor(event.atMilliseconds / 1000);
      perSecond[second] = (perSecond[second] ?? 0) + 1;
    }
    const seen = new Array<number>(15).fill(0);
    for (const count of perSecond.slice(0, seconds)) seen[Math.min(14, count)] = (seen[Math.min(14, count)] ?? 0) + 1;
    let probability = Math.exp(-mean);
    const expected = seen.map((_, count) => {
      if (count > 0) probability *= mean / count;
      return seconds * probability;
    });
    const fit = chiSquared(seen, expected);
    assert.ok(fit.probability > 0.001, `${stream}: ${fit.value}`);
  }
});

test('client streams: a clock that goes backwards sends nothing, a machine that slept does not burst', () => {
  const random = seeded(3);
  const streams = new ClientStreams({ payload: 10, loop: 10, drop: 10 }, unlimited, 0, random);
  streams.next(5000, random, 0);
  assert.deepEqual(streams.next(4000, random, 9), []);
  const events = streams.next(10 * HOUR, random, 0);
  assert.ok(events.length < 70, `${events.length} packets at once`);
  assert.ok(events.every(({ atMilliseconds }) => atMilliseconds >= 10 * HOUR - 1000));
  assert.ok(streams.account().gaps >= 3);
  assert.ok(streams.nextAtMilliseconds > 10 * HOUR);
});

test('plan: cover is lowered first, payload only when it alone is too much, and that is told', () => {
  const packetBytes = 1000;
  const plan = (bytesPerHour: number | null) => planSending(rates, { bytesPerHour, packetBytes });
  assert.equal(plan(null).lowered, 'nothing');
  assert.deepEqual(plan(100e6).rates, rates);
  const cover = plan(10e6);
  assert.equal(cover.lowered, 'cover');
  assert.equal(cover.rates.payload, 2);
  assert.ok(cover.rates.loop < 1 && cover.rates.loop > 0);
  assert.ok(Math.abs(cover.rates.loop / cover.rates.drop - 2) < 1e-9, 'both by the same factor');
  const payload = plan(5e6);
  assert.equal(payload.lowered, 'cover-and-payload');
  assert.deepEqual([payload.rates.loop, payload.rates.drop], [0, 0]);
  assert.ok(payload.rates.payload < 2 && payload.rates.payload > 1);
  assert.deepEqual(plan(0).rates, { payload: 0, loop: 0, drop: 0 });
  assert.equal(planSending({ payload: 0, loop: 1, drop: 1 }, { bytesPerHour: 0, packetBytes }).lowered, 'cover');
  assert.throws(() => planSending({ ...rates, loop: -1 }, unlimited), FogError);
  assert.throws(() => planSending(rates, { bytesPerHour: 1.5, packetBytes }), FogError);
});

test('plan: the mean of what is planned, and four deviations more, fit into the budget', () => {
  fc.assert(
    fc.property(fc.tuple(fc.nat(50), fc.nat(50), fc.nat(50)), fc.nat(1e9), ([payload, loop, drop], bytesPerHour) => {
      const wanted = { payload, loop, drop };
      const { rates: planned, packetsPerHour } = planSending(wanted, { bytesPerHour, packetBytes: 3000 });
      const mean = 3600 * (planned.payload + planned.loop + planned.drop);
      const isWanted = STREAM_NAMES.every((name) => planned[name] === wanted[name]);
      assert.ok(mean + 4 * Math.sqrt(mean) <= packetsPerHour * (1 + 1e-9) + 1e-6);
      assert.ok(isWanted || mean + 4 * Math.sqrt(mean) > packetsPerHour * (1 - 1e-9) - 1e-6, 'nothing is given away');
      for (const name of STREAM_NAMES) assert.ok(planned[name] >= 0 && planned[name] <= wanted[name]);
    }),
  );
});

test('budget: no hour costs more than it may, and the slots that are withheld do not depend on what is waiting', () => {
  const budget = { bytesPerHour: 40 * 3000, packetBytes: 3000 };
  const hours = 300;
  const count = (queued: number) => {
    const random = seeded(7);
    const streams = new ClientStreams(rates, budget, 0, random);
    const perHour = new Array<number>(hours).fill(0);
    let withheld = 0;
    for (let now = 0; now < hours * HOUR; now += 900) {
      const before = streams.account().slotsWithheld;
      const events = streams.next(now, random, queued);
      withheld += Math.max(0, streams.account().slotsWithheld - before);
      const hour = Math.floor(now / HOUR);
      perHour[hour] = (perHour[hour] ?? 0) + events.length;
    }
    return { perHour, withheld };
  };
  const busy = count(5);
  assert.ok(busy.perHour.every((packets) => packets <= 40));
  assert.ok(busy.perHour.some((packets) => packets > 22));
  assert.ok(busy.withheld < 3, 'hardly ever');
  assert.deepEqual(count(0), busy);
});

test('budget: another budget holds from then on, and the hour goes on', () => {
  const random = seeded(8);
  const streams = new ClientStreams(rates, unlimited, 0, random);
  for (let now = 0; now <= 100_000; now += 500) streams.next(now, random, 0);
  const { packetsSent } = streams.account();
  assert.ok(packetsSent > 250);
  assert.equal(
    streams.change(rates, { bytesPerHour: 100 * 3000, packetBytes: 3000 }, 100_000, random).lowered,
    'cover-and-payload',
  );
  for (let now = 100_000; now < HOUR; now += 1000) assert.deepEqual(streams.next(now, random, 3), []);
  assert.ok(streams.account().slotsWithheld > 0, 'this hour has cost more than it may already');
  assert.equal(streams.account().packetsSent, packetsSent);
  let sent = 0;
  for (let now = HOUR; now < 2 * HOUR; now += 1000) sent += streams.next(now, random, 3).length;
  assert.ok(sent > 30 && sent <= 100, String(sent));
});

test('Poisson stream: a rate of zero never sends, and a rate out of bounds is refused', () => {
  const random = seeded(9);
  const stream = new PoissonStream(0, 0, random);
  assert.equal(stream.takeSlot(1e12, random), null);
  stream.setRate(1000, 5, random);
  assert.ok(stream.nextAtMilliseconds > 5 && stream.nextAtMilliseconds < 100);
  for (const rate of [-1, Number.NaN, 1e6]) assert.throws(() => new PoissonStream(rate, 0, random), FogError);
});
