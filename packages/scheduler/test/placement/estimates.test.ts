import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  assignmentsOf,
  completionMilliseconds,
  drawFront,
  estimatePair,
  feasibility,
  latenessMilliseconds,
  pickTradeOff,
  scanNodes,
  slicesOf,
  stayProbability,
  type TradeOffs,
} from '../../src/placement/index.ts';
import { drawnFog, NOW, node, processors, task } from './small-fog.ts';

test('estimates: each in its unit, by hand', () => {
  const offer = node('n', {
    ...{ speed: 2, priceMicroFogPerSlice: 10, idleWatts: 20, busyWatts: 60, latencyMilliseconds: 100, reputation: 0.9 },
    downloadBitsPerSecond: 80_000_000,
    staying: [{ milliseconds: 200_000, probability: 0.5 }],
  });
  const wanted = task('t', {
    ...{ needs: processors(2), expectedRunMilliseconds: 180_000, runDeviationMilliseconds: 20_000 },
    inputs: [
      { bytes: 50_000_000, nodes: [] },
      { bytes: 7, nodes: ['n'] },
    ],
    affinity: { key: 'k', coldStartMilliseconds: 4900 },
    deadline: { atMilliseconds: NOW + 100_000, isStrict: false },
  });
  // 100 ms of latency, 5 s of transfer, 4.9 s of cold start, 90 s of run.
  const { failureRisk, ...estimate } = estimatePair(wanted, offer, NOW);
  assert.deepEqual(estimate, {
    completionMilliseconds: 100_000,
    latenessMilliseconds: 16_450,
    costMicroFog: 20,
    // Half of its processors for 90 s, and 20 W for 100 s because it is woken.
    energyJoules: 0.5 * 40 * 90 + 20 * 100,
  });
  assert.ok(Math.abs(failureRisk - (1 - 0.9 * 0.75)) < 1e-12);
  assert.equal(completionMilliseconds(wanted, { ...offer, warmKeys: ['k'] }), 95_100);
  assert.equal(latenessMilliseconds({ ...wanted, deadline: null }, offer, NOW), 0);
});

test('estimates: a begun slice is a whole one; memory counts where it is scarcer', () => {
  assert.equal(slicesOf(processors(1), 300_000), 1);
  assert.equal(slicesOf(processors(1), 300_001), 2);
  assert.equal(slicesOf({ milliCpu: 500, memoryBytes: 5 * 2 ** 30, others: {} }, 1), 3);
});

test('estimates: a tier pays a multiple, rounded up; what a task may cost is meant at its price', () => {
  const offer = node('n', { priceMicroFogPerSlice: 3 });
  const wanted = task('t', { needs: processors(1), expectedRunMilliseconds: 1, priceMultiple: 2.5 });
  assert.equal(estimatePair(wanted, offer, NOW).costMicroFog, 8);
  const capped = (priceCapMicroFog: number) => feasibility({ ...wanted, priceCapMicroFog }, [offer], NOW).ready.length;
  assert.deepEqual([capped(7), capped(8)], [0, 1]);
});

test('estimates: the probability to stay never grows with time, and is 1 at the beginning', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 1e6 }), fc.double({ min: 0, max: 1, noNaN: true }))),
      (drawn) => {
        const times = drawn.map(([time]) => time).sort((left, right) => left - right);
        const chances = drawn.map(([, chance]) => chance).sort((left, right) => right - left);
        const staying = times.map((milliseconds, at) => ({ milliseconds, probability: chances[at] as number }));
        assert.equal(stayProbability({ staying }, 0), 1);
        let before = 1;
        for (let time = 0; time < 3e6; time += 99_991) {
          const now = stayProbability({ staying }, time);
          assert.ok(now <= before + 1e-12 && now >= 0);
          before = now;
        }
      },
    ),
  );
});

test('feasibility: every node is counted once, and full ones are told from unsuitable ones', () => {
  fc.assert(
    fc.property(drawnFog, ({ tasks, nodes }) => {
      for (const wanted of tasks) {
        const { ready, full, excluded, nodesKnown } = feasibility(wanted, nodes, NOW);
        const kept = excluded.reduce((sum, each) => sum + each.nodes, 0);
        assert.equal(ready.length + full.length + kept, nodesKnown);
      }
    }),
  );
  const { full, excluded } = feasibility(
    task('t', { trustFloor: 0.5 }),
    [node('a', { free: processors(0) }), node('b', { reputation: 0 })],
    NOW,
  );
  assert.deepEqual([full, excluded], [[0], [{ kind: 'trust', constraint: 'trust: needs at least 0.5', nodes: 1 }]]);
});

test('exact scan: no other node would have been better by the rule', () => {
  fc.assert(
    fc.property(drawnFog, ({ tasks, nodes }) => {
      for (const wanted of tasks) {
        const { ready } = feasibility(wanted, nodes, NOW);
        if (ready.length === 0) {
          assert.throws(() => scanNodes(wanted, nodes, { by: 'weights', weights: { cost: 1 } }, NOW), {
            code: 'unavailable',
          });
          continue;
        }
        const { estimate } = scanNodes(
          wanted,
          nodes,
          { by: 'lexicographic', order: ['cost', 'failureRisk'], tolerance: 0 },
          NOW,
        );
        for (const index of ready) {
          const other = estimatePair(wanted, nodes[index] as (typeof nodes)[number], NOW);
          if (other.latenessMilliseconds !== estimate.latenessMilliseconds) {
            assert.ok(other.latenessMilliseconds > estimate.latenessMilliseconds, 'deadlines come first');
          } else
            assert.ok(
              other.costMicroFog > estimate.costMicroFog ||
                other.failureRisk >= estimate.failureRisk - 1e-9 ||
                other.costMicroFog === estimate.costMicroFog,
            );
        }
      }
    }),
  );
  const rule = { by: 'weights', weights: { cost: -1 } } as const;
  assert.throws(() => scanNodes(task('t'), [node('a')], rule, NOW), { code: 'invalid-configuration' });
  assert.throws(() => scanNodes(task('t'), [], { by: 'weights', weights: { cost: 1 } }, NOW), /there are no nodes/);
});

const front: TradeOffs = {
  objectives: ['completionTime', 'cost', 'failureRisk'],
  tasks: [{ id: 't<1>', version: 3 }],
  nodes: [
    { id: 'a', version: 1 },
    { id: 'b', version: 1 },
  ],
  points: [
    { values: [1000, 9e6, 0.5], violation: 0, nodes: [0] },
    { values: [1500, 2e6, 0.2], violation: 0, nodes: [1] },
    { values: [9000, 1e6, 0.1], violation: 0, nodes: [-1] },
    { values: [1, 1, 0], violation: 7, nodes: [0] },
  ],
};

test('trade-offs: knee, weights and order pick among what breaks least; assignments can be asked for', () => {
  assert.equal(pickTradeOff(front, { by: 'knee' }), 1);
  assert.equal(pickTradeOff(front, { by: 'weights', weights: { completionTime: 1 } }), 0);
  assert.equal(pickTradeOff(front, { by: 'weights', weights: { cost: 5, completionTime: 0.1 } }), 2);
  assert.equal(pickTradeOff(front, { by: 'lexicographic', order: ['completionTime', 'cost'], tolerance: 0.1 }), 1);
  assert.deepEqual(
    [0, 1, 2].map((point) => assignmentsOf(front, point)),
    [[{ task: 't<1>', node: 'a' }], [{ task: 't<1>', node: 'b' }], []],
  );
  assert.throws(() => assignmentsOf(front, 9), { code: 'not-found' });
  assert.throws(() => pickTradeOff({ ...front, points: [] }, { by: 'knee' }), { code: 'not-found' });
  assert.throws(() => pickTradeOff(front, { by: 'weights', weights: { energy: 1 } }), {
    code: 'invalid-configuration',
  });
});

test('drawing: an SVG of each point in the units of its labels; the same front, the same text', () => {
  const drawn = drawFront(front, { horizontal: 'completionTime', vertical: 'failureRisk', picked: 1 });
  assert.equal(
    drawn,
    drawFront(structuredClone(front), { horizontal: 'completionTime', vertical: 'failureRisk', picked: 1 }),
  );
  assert.equal(drawn.match(/<circle/g)?.length, 4);
  assert.match(drawn, /completion time, s: 1.5; failure risk, %: 20</);
  assert.match(drawn, /r="7" fill="#c2410c"/);
  assert.ok(!drawn.includes('NaN') && !drawn.includes('Infinity'));
  for (const points of [[], front.points.slice(0, 1)]) {
    const few = drawFront({ ...front, points }, { horizontal: 'cost', vertical: 'cost', picked: null });
    assert.ok(few.startsWith('<svg') && !few.includes('NaN'));
  }
  assert.throws(() => drawFront(front, { horizontal: 'energy', vertical: 'cost', picked: null }), {
    code: 'invalid-configuration',
  });
});
