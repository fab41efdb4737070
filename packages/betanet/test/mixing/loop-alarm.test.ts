import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import fc from 'fast-check';
import {
  binomialLowerBound,
  binomialLowerTail,
  binomialUpperBound,
  binomialUpperTail,
  DEFAULT_LOOP_ALARM,
  LoopAlarm,
  type LoopState,
  lossesUntil,
  NodeCover,
  RandomNumbers,
  seededBytes,
} from '../../src/mixing/front.ts';

const options = { ...DEFAULT_LOOP_ALARM, returnMilliseconds: 1000 };

/** One loop every 100 ms that is lost or comes back after 500; answers the states that it led to. */
function play(alarm: LoopAlarm, from: number, losses: readonly boolean[]): LoopState[] {
  const states: LoopState[] = [];
  const underWay: [loop: number, back: number][] = [];
  for (let index = 0; index < losses.length + 11; index += 1) {
    const now = from + 100 * index;
    while ((underWay[0]?.[1] ?? Number.POSITIVE_INFINITY) <= now) alarm.returned(underWay.shift()?.[0] ?? -1, now);
    if (index < losses.length) {
      const loop = alarm.sent(now);
      assert.ok(loop !== null);
      if (losses[index] === false) underWay.push([loop, now + 500]);
    }
    states.push(alarm.advance(now));
  }
  return states;
}

const lossy = (count: number, rate: number, seed: number) => {
  const random = new RandomNumbers(seededBytes(seed));
  return Array.from({ length: count }, () => random.uniform() < rate);
};

test('binomial: tails by hand, and the bounds are where the tails cross', () => {
  assert.ok(Math.abs(binomialUpperTail(10, 8, 0.5) - 56 / 1024) < 1e-12);
  assert.ok(Math.abs(binomialLowerTail(10, 2, 0.5) - 56 / 1024) < 1e-12);
  assert.ok(Math.abs(binomialUpperTail(3, 3, 0.1) - 0.001) < 1e-15);
  assert.deepEqual([binomialUpperTail(5, 0, 0.3), binomialUpperTail(5, 6, 0.3), binomialUpperTail(5, 1, 0)], [1, 0, 0]);
  // Published: 95 % interval of 8 of 10 is 0.4439 to 0.9748.
  assert.ok(Math.abs(binomialLowerBound(10, 8, 0.025) - 0.4439) < 1e-4);
  assert.ok(Math.abs(binomialUpperBound(10, 8, 0.025) - 0.9748) < 1e-4);
  assert.deepEqual([binomialLowerBound(10, 0, 0.01), binomialUpperBound(10, 10, 0.01)], [0, 1]);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 256 }),
      fc.nat(),
      fc.double({ min: 0.001, max: 0.999, noNaN: true }),
      (trials, some, p) => {
        const hits = some % (trials + 1);
        const sum = binomialUpperTail(trials, hits, p) + (hits === 0 ? 0 : binomialLowerTail(trials, hits - 1, p));
        assert.ok(Math.abs(sum - 1) < 1e-9);
      },
    ),
  );
});

test('loop alarm: neither one loss, nor a few in a hundred, change the state', () => {
  const one = play(new LoopAlarm(options), 0, [true, ...new Array<boolean>(50).fill(false)]);
  assert.ok(one.every((state) => state === 'ok'));
  for (let seed = 0; seed < 5; seed += 1) {
    assert.ok(
      play(new LoopAlarm(options), 0, lossy(1000, 0.03, seed)).every((state) => state === 'ok'),
      `seed ${seed}`,
    );
  }
});

test('loop alarm: much loss degrades, more raises the alarm, and no state is skipped back too soon', () => {
  const degraded = play(new LoopAlarm(options), 0, lossy(400, 0.22, 1));
  assert.ok(degraded.includes('degraded') && !degraded.includes('alarm'));
  const alarmed = play(new LoopAlarm(options), 0, lossy(400, 0.6, 1));
  assert.equal(alarmed.at(-1), 'alarm');
});

test('loop alarm: between the limits it does not flutter', () => {
  for (const rate of [0.1, 0.3]) {
    for (let seed = 0; seed < 5; seed += 1) {
      const states = play(new LoopAlarm(options), 0, lossy(2000, rate, seed));
      const changes = states.filter((state, index) => index > 0 && state !== states[index - 1]).length;
      assert.ok(changes <= 3, `${changes} changes at a loss of ${rate}, seed ${seed}`);
    }
  }
});

test('loop alarm: when everything is kept away it is raised after as many losses as foretold', () => {
  const alarm = new LoopAlarm(options);
  play(alarm, 0, new Array<boolean>(300).fill(false));
  const foretold = lossesUntil('alarm', options, 300);
  assert.ok(foretold >= 8 && foretold <= 20, String(foretold));
  assert.ok(lossesUntil('degraded', options, 300) < foretold);
  play(alarm, 100_000, new Array<boolean>(foretold - 1).fill(true));
  assert.notEqual(alarm.state, 'alarm');
  play(alarm, 200_000, [true]);
  assert.equal(alarm.state, 'alarm');
  assert.ok(alarm.lossBounds().results >= 100);
});

test('loop alarm: when all is well again it falls step by step, and what was before is forgotten', () => {
  const alarm = new LoopAlarm(options);
  play(alarm, 0, new Array<boolean>(100).fill(true));
  const states = play(alarm, 100_000, new Array<boolean>(300).fill(false));
  const steps = states.filter((state, index) => state !== states[index - 1]);
  assert.deepEqual(steps, ['alarm', 'degraded', 'ok']);
  assert.equal(play(alarm, 200_000, [true, true]).at(-1), 'ok');
});

test('loop alarm: what comes late, twice, or was never sent counts for nothing', () => {
  const alarm = new LoopAlarm(options);
  const loop = alarm.sent(0) ?? -1;
  alarm.returned(loop, 1000);
  assert.deepEqual(alarm.counts(), { sent: 1, returned: 0, lost: 1, late: 1 });
  const second = alarm.sent(2000) ?? -1;
  for (const number of [second, second, 99, -1, 0.5, Number.NaN]) alarm.returned(number, 2001);
  alarm.advance(3000);
  assert.deepEqual(alarm.counts(), { sent: 2, returned: 1, lost: 1, late: 1 });
  assert.deepEqual(new LoopAlarm(options).lossBounds(), { least: 0, most: 1, results: 0 });
});

test('loop alarm: memory is bounded, and a clock that goes backwards loses nothing', () => {
  const alarm = new LoopAlarm({ ...options, returnMilliseconds: 1e6 });
  let sent = 0;
  while (alarm.sent(10) !== null) sent += 1;
  assert.equal(sent, 1024);
  alarm.advance(-1e9);
  assert.equal(alarm.counts().lost, 0);
  alarm.advance(2e6);
  assert.equal(alarm.counts().lost, 1024);
  for (const wrong of [{ degradedLoss: 0 }, { alarmLoss: 0.05 }, { errorProbability: 0 }, { returnMilliseconds: 0 }]) {
    assert.throws(() => new LoopAlarm({ ...options, ...wrong }), FogError);
  }
});

test('node cover: loops at the rate asked for, each with a number of its own', () => {
  const random = new RandomNumbers(seededBytes(4));
  const cover = new NodeCover({ ...options, loopsPerSecond: 10 }, 0, random);
  const loops: number[] = [];
  for (let now = 0; now < 100_000; now += 10) {
    for (const loop of cover.next(now, random)) {
      loops.push(loop);
      cover.alarm.returned(loop, now + 1);
    }
    assert.ok(cover.nextAtMilliseconds > now);
  }
  assert.ok(Math.abs(loops.length - 1000) < 130, String(loops.length));
  assert.deepEqual(
    loops,
    loops.map((_, index) => index),
  );
  assert.equal(cover.alarm.state, 'ok');
  assert.throws(() => new NodeCover({ ...options, loopsPerSecond: 1000 }, 0, random), FogError);
});
