/** Whom an authority blames for lost loops, in simulated networks from seeds that are shown. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../../../../test/support/seeded-random.ts';
import { mixesOf } from '../../src/client/path-selection.ts';
import {
  DEFAULT_LOTTERY,
  DIRECTORY_LIMITS,
  deliveryRates,
  measuredRelays,
  PARTS_PER_MILLION,
  type ProbedLoop,
  type ProbeRecord,
  probeDepths,
  recentProbes,
  withLoops,
} from '../../src/index.ts';

const SEEDS = Array.from({ length: Number(process.env.FOG_DIRECTORY_SEEDS ?? 8) }, (_, index) => index + 1);
const FLOOR = DEFAULT_LOTTERY.performanceFloorPpm / PARTS_PER_MILLION;
/** What links and restarts cost an honest relay. */
const HONEST_RATE = 0.995;

interface Network {
  layers: number;
  perLayer: number;
  gateways: number;
  rounds: number;
  loopsPerRound: number;
  /** Rates of those that are not honest. */
  rates: Record<string, number>;
  /** Mixes throw away what they get from this one, or are to give it. */
  framed?: { by: readonly string[]; id: string };
}

/** Mixes are dealt into layers anew in each round, as the lottery does. */
function measured(network: Network, seed: number): Map<string, number> {
  const { layers, perLayer, gateways, rounds, loopsPerRound, rates, framed } = network;
  const random = seededRandom(seed);
  const below = (bound: number) => Math.floor(random() * bound);
  const depths = probeDepths({ layers });
  let record: ProbeRecord = [];
  for (let epoch = 0; epoch < rounds; epoch += 1) {
    const order = Array.from({ length: layers * perLayer }, (_, index) => ({ id: `mix-${index}`, key: random() }))
      .sort((a, b) => a.key - b.key)
      .map(({ id }) => id);
    const loops = Array.from({ length: loopsPerRound }, (_, index): ProbedLoop => {
      const mixes = mixesOf({ layers }, depths[index % depths.length] ?? 'whole');
      const path = Array.from({ length: mixes }, (_, hop) => {
        return order[(layers - mixes + hop) * perLayer + below(perLayer)] as string;
      });
      const relays = [`gateway-${below(gateways)}`, ...path];
      const isHeldBack = path.some(
        (id, hop) => framed?.by.includes(id) && [path[hop - 1], path[hop + 1]].includes(framed.id),
      );
      return { relays, isReturned: !isHeldBack && relays.every((id) => random() < (rates[id] ?? HONEST_RATE)) };
    });
    record = withLoops(record, epoch, loops);
  }
  const counts = measuredRelays(record, rounds - 1);
  return new Map([...counts].map(([id, { sent, returned }]) => [id, returned / sent]));
}

function forSeeds(network: Network, check: (rates: Map<string, number>) => void): void {
  for (const seed of SEEDS) {
    const rates = measured(network, seed);
    try {
      check(rates);
    } catch (cause) {
      throw new Error(`seed ${seed}: ${JSON.stringify([...rates])}`, { cause });
    }
  }
}

function assertOnlyFailing({ rates }: Network, found: ReadonlyMap<string, number>): void {
  for (const [id, rate] of found) {
    if (id in rates) assert.ok(rate < FLOOR, `${id} lets ${rate} pass and stays`);
    else assert.ok(rate >= FLOOR, `${id} is honest and falls to ${rate}`);
  }
}

describe('rates of delivery', () => {
  for (const [perLayer, rounds, loopsPerRound] of [
    [1, 6, 400],
    [2, 1, 600],
    [3, 1, 600],
    [10, 1, 2400],
  ] as const) {
    test(`of layers of ${perLayer} one that drops half falls below the floor, and nobody else`, () => {
      const network = { layers: 3, perLayer, gateways: 2, rounds, loopsPerRound, rates: { 'mix-0': 0.5 } };
      forSeeds(network, (rates) => assertOnlyFailing(network, rates));
    });
  }

  test('a gateway is found as a mix is, and several at a time', () => {
    const gateway = { layers: 3, perLayer: 3, gateways: 3, rounds: 1, loopsPerRound: 600, rates: { 'gateway-0': 0.5 } };
    forSeeds(gateway, (rates) => assertOnlyFailing(gateway, rates));
    const failing = { 'gateway-1': 0.4, 'mix-3': 0.5, 'mix-7': 0, 'mix-21': 0.3 };
    const several = { layers: 4, perLayer: 6, gateways: 4, rounds: 1, loopsPerRound: 3000, rates: failing };
    forSeeds(several, (rates) => assertOnlyFailing(several, rates));
  });

  test('the estimate is near the truth', () => {
    const network = {
      layers: 3,
      perLayer: 3,
      gateways: 2,
      rounds: 1,
      loopsPerRound: 4000,
      rates: { 'mix-0': 0.9, 'mix-1': 0.6, 'mix-2': 0.2, 'gateway-0': 0.8 } as Record<string, number>,
    };
    forSeeds(network, (rates) => {
      for (const [id, rate] of rates) assert.ok(Math.abs(rate - (network.rates[id] ?? HONEST_RATE)) < 0.06, id);
    });
  });

  test('where nothing tells them apart they share a loss, and alone nobody is spared', () => {
    const together = deliveryRates({ returned: new Map(), lost: [{ relays: ['a', 'b'], weight: 1 }] });
    assert.equal(together.get('a'), together.get('b'));
    const half = new Map([
      ['a', 500],
      ['b', 500],
    ]);
    const rates = deliveryRates({ returned: half, lost: [{ relays: ['b', 'a'], weight: 500 }] });
    for (const id of ['a', 'b']) assert.ok(Math.abs((rates.get(id) ?? 0) - Math.SQRT1_2) < 0.01);
    const alone = deliveryRates({ returned: new Map(), lost: [{ relays: ['a'], weight: 99 }] });
    assert.ok(Math.abs((alone.get('a') ?? 1) - 0.01) < 1e-6);
    assert.deepEqual([...deliveryRates({ returned: new Map(), lost: [] })], []);
  });

  test('to blame one by dropping what it sends or is sent costs one mix as much, and many nothing', () => {
    for (const perLayer of [3, 10]) {
      const network = { layers: 3, perLayer, gateways: 4, rounds: 4, loopsPerRound: 2400, rates: {} };
      const against = (share: number) =>
        Array.from({ length: Math.ceil(share * 3 * perLayer) }, (_, index) => `mix-${index + 1}`);
      forSeeds({ ...network, framed: { by: against(0), id: 'mix-0' } }, (rates) => assertOnlyFailing(network, rates));
      forSeeds({ ...network, framed: { by: ['mix-1'], id: 'mix-0' } }, (rates) => {
        const [framing = 0, framed = 0] = [rates.get('mix-1'), rates.get('mix-0')];
        assert.ok(framed >= FLOOR && framing < framed + 0.15, `${framing} and ${framed}`);
      });
      // With a fifth of all mixes against it a victim stays on the average, with two fifths it falls.
      for (const [share, stays] of [
        [0.2, true],
        [0.4, false],
      ] as const) {
        let sum = 0;
        forSeeds({ ...network, framed: { by: against(share), id: 'mix-0' } }, (rates) => {
          sum += rates.get('mix-0') ?? 0;
        });
        assert.equal(sum / SEEDS.length >= FLOOR, stays, `${perLayer} a layer, ${share}: ${sum / SEEDS.length}`);
      }
    }
  });
});

describe('record of probes', () => {
  const loop = (isReturned: boolean, ...relays: string[]): ProbedLoop => ({ relays, isReturned });

  test('loops of a round are added up, those of rounds before weigh less, and the oldest are forgotten', () => {
    let record = withLoops([], 0, [loop(true, 'a', 'b'), loop(false, 'a')]);
    record = withLoops(record, 0, [loop(true, 'b', 'c')]);
    assert.deepEqual(record, [{ epoch: 0, relays: ['a', 'b', 'c'], returned: [1, 2, 1], lost: [[0]] }]);
    const bad = Array.from({ length: 100 }, () => loop(false, 'a'));
    const good = Array.from({ length: 100 }, () => loop(true, 'a'));
    const share = (first: ProbedLoop[], second: ProbedLoop[]) => {
      const { sent = 0, returned = 0 } =
        measuredRelays(withLoops(withLoops([], 4, first), 5, second), 5).get('a') ?? {};
      assert.equal(sent, 200, 'all of them count as sent');
      return returned / sent;
    };
    assert.ok(Math.abs(share(bad, good) - 2 / 3) < 0.01);
    assert.ok(Math.abs(share(good, bad) - 1 / 3) < 0.01);
    const { probeRounds } = DIRECTORY_LIMITS;
    assert.equal(recentProbes(record, probeRounds - 1).length, 1);
    assert.equal(recentProbes(record, probeRounds).length, 0);
  });

  test('lost loops of a round are bounded, and beyond that what comes back does not count either', () => {
    const most = DIRECTORY_LIMITS.lostProbes;
    const lost = Array.from({ length: most + 5 }, () => loop(false, 'a'));
    const record = withLoops(withLoops([], 0, lost), 0, [loop(true, 'a')]);
    assert.equal(record[0]?.lost.length, most);
    assert.deepEqual(record[0]?.returned, [0]);
  });
});
