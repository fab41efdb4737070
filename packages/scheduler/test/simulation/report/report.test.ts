import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodePowerOf, reportOf, type SimulatedWork, type TimedRun, unavailable } from '@fog/scheduler/simulation';
import fc from 'fast-check';

const ASSUMPTIONS = { power: { node: nodePowerOf('proliant-ml110-g5'), gpu: null }, slicePriceMicroFog: 1001 };

function work(submittedAtSeconds: number, startSeconds: number, endSeconds: number, processors: number): SimulatedWork {
  const name = `${submittedAtSeconds}`;
  return {
    name,
    submittedAtSeconds,
    startSeconds,
    endSeconds,
    processors,
    memoryMebibytes: null,
    gpus: 0,
    places: null,
  };
}

function run(pieces: readonly SimulatedWork[], changes: Partial<TimedRun['machine']> = {}): TimedRun {
  const none = unavailable('not told');
  return {
    policy: 'p',
    work: pieces,
    leftOut: [],
    machine: { processors: 4, memoryMebibytes: none, gpus: none, ...changes },
    makespanRatio: none,
  };
}

test('a worked case: every figure by hand', () => {
  // Three of four processors for 600 s; two that wait from 100 on run from 600 to 900.
  const report = reportOf(run([work(0, 0, 600, 3), work(100, 600, 900, 2)]), ASSUMPTIONS);
  assert.equal(report.makespanSeconds, 900);
  assert.deepEqual(report.waitSeconds, { mean: 250, p50: 0, p95: 500, longest: 500 });
  assert.equal(report.boundedSlowdown, (1 + 800 / 300) / 2);
  assert.deepEqual(report.utilisationPercent, {
    processors: (100 * 2400) / 3600,
    memory: { unavailable: 'not told' },
    gpus: { unavailable: 'not told' },
  });
  // Free are 1 x 600 and 2 x 300; of that 1 x 500 while the second waited.
  assert.equal(report.fragmentationPercent, (100 * 500) / 1200);
  // Two nodes of two cores: idle all the time, and the difference for 2400 of 3600 processor-seconds.
  const joules = (93.7 * 4 * 900 + (135 - 93.7) * 2400) / 2;
  assert.ok(Math.abs((report.energyKilowattHours as number) - joules / 3.6e6) < 1e-12);
  // Slices of five minutes: 3 x 2 and 2 x 1.
  assert.equal(report.costMicroFog, 8 * 1001);
  assert.deepEqual(report.serviceLevels, [
    tier('bronze', 2.5, { misses: 1, credit: 1000, cost: 8008 }),
    tier('silver', 1.2, { misses: 1, credit: 1000, cost: 20_020 }),
    tier('gold', 0.4, { misses: 1, credit: 1000, cost: 40_040 }),
  ]);
});

function tier(name: string, promisedWaitSeconds: number, of: { misses: number; credit: number; cost: number }) {
  const { misses, credit: creditPermille, cost: costMicroFog } = of;
  const creditMicroFog = (costMicroFog * creditPermille) / 1000;
  return { tier: name, promisedWaitSeconds, misses, isMet: false, creditPermille, costMicroFog, creditMicroFog };
}

test('a credit follows the percentile, a miss each wait', () => {
  // 20 pieces: the 95th percentile is that of the 19th, 3 s, 1.2 times what bronze promises.
  const pieces = Array.from({ length: 20 }, (_, index) => work(0, index < 18 ? 0 : index < 19 ? 3 : 9, 20, 1));
  const { serviceLevels } = reportOf(run(pieces), ASSUMPTIONS);
  assert.deepEqual(
    (serviceLevels as { misses: number; creditPermille: number }[]).map((of) => [of.misses, of.creditPermille]),
    [
      [2, 100],
      [2, 500],
      [2, 1000],
    ],
  );
});

test('prices are rounded up, credits down', () => {
  const { serviceLevels } = reportOf(run([work(0, 3, 20, 1)]), ASSUMPTIONS);
  const money = serviceLevels as { costMicroFog: number; creditMicroFog: number }[];
  // 1001, 2502.5 and 5005; credits of 10, 50 and 100 %.
  assert.deepEqual(
    money.map(({ costMicroFog, creditMicroFog }) => [costMicroFog, creditMicroFog]),
    [
      [1001, 100],
      [2503, 1251],
      [5005, 5005],
    ],
  );
});

test('what is not known has a reason and is never 0', () => {
  const nothing = reportOf(run([]), ASSUMPTIONS);
  assert.deepEqual(
    [nothing.makespanSeconds, nothing.waitSeconds],
    [unavailable('nothing ran'), unavailable('nothing ran')],
  );
  const instant = reportOf(run([work(5, 5, 5, 1)]), ASSUMPTIONS);
  assert.deepEqual(instant.utilisationPercent.processors, unavailable('no time passed'));
  assert.deepEqual(instant.fragmentationPercent, unavailable('no processor stood free'));
  assert.equal(instant.costMicroFog, 0);
  const withGpus = reportOf(run([{ ...work(0, 0, 10, 1), gpus: 1 }], { gpus: 2 }), ASSUMPTIONS);
  assert.match((withGpus.energyKilowattHours as { unavailable: string }).unavailable, /--gpu-watts/);
  assert.match((withGpus.costMicroFog as { unavailable: string }).unavailable, /holds no GPU/);
  assert.equal(withGpus.utilisationPercent.gpus, 50);
  const power = { node: nodePowerOf('raspberry-pi-3b'), gpu: { idleWatts: 10, busyWatts: 100 } };
  const powered = reportOf(run([{ ...work(0, 0, 10, 1), gpus: 1 }], { gpus: 2 }), { ...ASSUMPTIONS, power });
  const joules = (0.45 * 4 * 10 + 1.3 * 10) / 4 + 10 * 2 * 10 + 90 * 10;
  assert.ok(Math.abs((powered.energyKilowattHours as number) - joules / 3.6e6) < 1e-12);
});

test('prices and power that are none are refused', () => {
  for (const slicePriceMicroFog of [-1, 0.5, Number.NaN, 2 ** 40]) {
    const bad = { ...ASSUMPTIONS, slicePriceMicroFog };
    assert.throws(() => reportOf(run([work(0, 0, 1, 1)]), bad), { code: 'invalid-request', message: /micro-FOG/ });
  }
  const dear = { ...ASSUMPTIONS, slicePriceMicroFog: 2 ** 36 };
  assert.throws(() => reportOf(run([work(0, 0, 3e6, 4)]), dear), {
    code: 'invalid-request',
    message: /too much money/,
  });
  assert.throws(() => nodePowerOf('toString'), { code: 'invalid-request', message: /no figure of power/ });
});

test('shares stay between 0 and 100, and nobody that never waited makes a fragment', () => {
  const pieces = fc.array(
    fc.tuple(fc.nat(50), fc.nat(20), fc.integer({ min: 1, max: 30 })).map(([at, wait, time]) => {
      return work(at, at + wait, at + wait + time, 1);
    }),
    { minLength: 1, maxLength: 12 },
  );
  fc.assert(
    fc.property(pieces, (some) => {
      const { utilisationPercent, fragmentationPercent } = reportOf(run(some, { processors: 12 }), ASSUMPTIONS);
      for (const share of [utilisationPercent.processors, fragmentationPercent]) {
        if (typeof share === 'number') assert.ok(share >= 0 && share <= 100.0001, `${share}`);
      }
      const prompt = some.map((piece) => ({ ...piece, submittedAtSeconds: piece.startSeconds }));
      assert.equal(reportOf(run(prompt, { processors: 13 }), ASSUMPTIONS).fragmentationPercent, 0);
    }),
  );
});
