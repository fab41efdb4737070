import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import {
  DEFAULT_LOOP_ALARM,
  expectedDetectionMilliseconds,
  LOOPIX_FIGURES,
  LOOPIX_NETWORK,
  lossesUntil,
  type SimulationOptions,
  simulate,
} from '../../src/mixing/front.ts';

const small: SimulationOptions = {
  ...LOOPIX_NETWORK,
  clients: 40,
  gateways: 1,
  delay: { meanMilliseconds: 300, capMilliseconds: 6000 },
  seconds: 60,
};

test('simulation: a seed repeats the report, another gives another', () => {
  const short = { ...small, seconds: 15, warmUpSeconds: 5 };
  assert.deepEqual(simulate(short), simulate(short));
  assert.notDeepEqual(simulate(short).latencyMilliseconds, simulate({ ...short, seed: 2 }).latencyMilliseconds);
});

test('simulation: latency is the sum of exponential delays, pools are lambda / mu, delays are what was asked', () => {
  const report = simulate(small);
  const { latencyMilliseconds, layers, delays, entropyBits, mostEntropyBits } = report;
  assert.ok(latencyMilliseconds.count > 500);
  // Gateway and three mixes: a Gamma distribution of shape 4.
  assert.ok(Math.abs(latencyMilliseconds.mean / 1200 - 1) < 0.05, String(latencyMilliseconds.mean));
  assert.ok(Math.abs(latencyMilliseconds.deviation / 600 - 1) < 0.1, String(latencyMilliseconds.deviation));
  assert.equal(layers.length, 4);
  for (const { meanPool, expectedPool, layer } of layers) {
    assert.ok(Math.abs(meanPool / expectedPool - 1) < 0.1, `layer ${layer}: ${meanPool} and not ${expectedPool}`);
  }
  assert.ok(Math.abs(delays.heldMilliseconds - delays.askedMilliseconds) < 1, 'no later than a tick on average');
  assert.ok(entropyBits.most <= mostEntropyBits + 1e-9 && entropyBits.mean > 3);
  assert.equal(report.attack, null);
  assert.equal(report.falseAlarms, 0);
  assert.equal(report.messagesBlocked, 0);
});

test('simulation: what was drawn fits, and each packet takes as long as its delays, to a tick of each hop', () => {
  const { drawnMilliseconds, latencyMilliseconds, fits, packetsSent } = simulate(small);
  const late = latencyMilliseconds.mean - drawnMilliseconds.mean;
  assert.ok(late >= 0 && late < 4, String(late));
  for (const fit of [fits.delays, ...Object.values(fits.gaps)]) {
    assert.ok(fit && fit.count > 1000 && fit.probability > 0.001, JSON.stringify(fit));
  }
  const all = packetsSent.payload + packetsSent.loop + packetsSent.drop;
  assert.ok(Math.abs(all / (40 * 3 * 50) - 1) < 0.05, 'only what was sent while it was measured');
});

test('simulation: anonymity grows with rate times delay, as Loopix found', () => {
  const reports = [30, 100, 500].map((meanMilliseconds) => {
    const delay = { meanMilliseconds, capMilliseconds: 20 * meanMilliseconds };
    return simulate({ ...small, delay, seconds: 40, warmUpSeconds: 10 });
  });
  const [little, more, much] = reports.map(({ entropyBits, likelihoodDifference }) => {
    return { bits: entropyBits.mean, difference: likelihoodDifference.p50 };
  });
  assert.ok(little && more && much);
  assert.ok(little.bits < more.bits - 0.2 && more.bits < much.bits - 0.1, JSON.stringify([little, more, much]));
  assert.ok(much.difference < more.difference, JSON.stringify([little, more, much]));
});

test('simulation: an (n-1) attack is noticed, in about the time that theory gives', () => {
  const loops = { loopsPerSecond: 2, loopReturnMilliseconds: 5000 };
  const report = simulate({ ...small, ...loops, clients: 4, seconds: 120, attackAtSeconds: 60 });
  assert.equal(report.falseAlarms, 0);
  assert.ok(report.messagesBlocked > 20);
  const { degradedAfterMilliseconds, alarmAfterMilliseconds } = report.attack ?? {};
  assert.ok(typeof degradedAfterMilliseconds === 'number' && typeof alarmAfterMilliseconds === 'number');
  const watch = { loopsPerSecond: 2, returnMilliseconds: 5000 };
  const expected = expectedDetectionMilliseconds({ ...watch, losses: lossesUntil('alarm', DEFAULT_LOOP_ALARM, 100) });
  assert.ok(degradedAfterMilliseconds < alarmAfterMilliseconds);
  assert.ok(
    alarmAfterMilliseconds > 0.5 * expected && alarmAfterMilliseconds < 1.6 * expected,
    `${alarmAfterMilliseconds} and not ${expected}`,
  );
});

test('simulation: Loopix, in a fraction of its size', () => {
  const { latencyMilliseconds } = simulate({ ...LOOPIX_NETWORK, clients: 60, seconds: 40 });
  const { latencyMeanMilliseconds, latencyDeviationMilliseconds } = LOOPIX_FIGURES;
  assert.ok(Math.abs(latencyMilliseconds.mean / latencyMeanMilliseconds - 1) < 0.12, String(latencyMilliseconds.mean));
  assert.ok(Math.abs(latencyMilliseconds.deviation / latencyDeviationMilliseconds - 1) < 0.25);
});

test('simulation: options out of bounds are refused', () => {
  for (const wrong of [
    { clients: 1 },
    { layers: 0 },
    { warmUpSeconds: 60 },
    { messagesPerSecond: 5 },
    { rates: { ...small.rates, drop: -1 } },
    { delay: { meanMilliseconds: 1, capMilliseconds: 1e8 } },
  ]) {
    assert.throws(() => simulate({ ...small, ...wrong }), FogError);
  }
  // Each alone is within bounds.
  const rates = (drop: number) => ({ ...small.rates, drop });
  for (const [what, wrong] of [
    ['nodes', { mixesPerLayer: 64 }],
    ['packets in one node', { rates: rates(10_000), seconds: 11 }],
    ['packets of clients', { rates: rates(30), seconds: 86_400, clients: 2 }],
    ['numbers in all packets', { rates: rates(20), clients: 2000, mixesPerLayer: 4, gateways: 4, seconds: 11 }],
    ['steps', { seconds: 86_400, clients: 2 }],
  ] as const) {
    assert.throws(
      () => simulate({ ...small, ...wrong }),
      (error) => error instanceof FogError && error.message.includes(what),
      what,
    );
  }
});
