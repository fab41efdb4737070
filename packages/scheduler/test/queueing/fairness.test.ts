import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import {
  chooseSpotVictims,
  creditPermille,
  dependencyOrder,
  dominantShare,
  excessOfStart,
  excessOfSubmit,
  fairOrder,
  lostProcessorSeconds,
  SERVICE_LEVELS,
  SERVICE_TIERS,
  settleServiceLevel,
  slackSeconds,
} from '@fog/scheduler/queueing';
import fc from 'fast-check';
import { work } from './queued-work-samples.ts';

test("dominant-resource fairness: the example of its paper, three tasks of one tenant for two of the other's", () => {
  const capacity = { processors: 9, memoryGigabytes: 18 };
  const one = (id: string, tenant: string, processors: number, memoryGigabytes: number) =>
    work(id, { tenant, processors, resources: { memoryGigabytes } });
  const all = Array.from({ length: 5 }, (_, index) => [
    one(`a${index}`, 'a', 1, 4),
    one(`b${index}`, 'b', 3, 1),
  ]).flat();
  const served = fairOrder(all, { capacity, usedBy: new Map() }).slice(0, 5);
  assert.deepEqual(served.map(({ tenant }) => tenant).sort(), ['a', 'a', 'a', 'b', 'b']);
});

test('the tenant with the smallest dominant share is always served next, and nothing is lost', () => {
  const some = fc.array(
    fc.record({
      tenant: fc.constantFrom('a', 'b', 'c', 'd'),
      processors: fc.integer({ min: 1, max: 9 }),
      memory: fc.integer({ min: 0, max: 9 }),
    }),
    { maxLength: 25 },
  );
  const capacity = { processors: 50, memory: 40 };
  fc.assert(
    fc.property(some, fc.integer({ min: 1, max: 3 }), (drawn, weight) => {
      const all = drawn.map(({ memory, ...rest }, index) => work(`w${index}`, { ...rest, resources: { memory } }));
      const usedBy = new Map([['b', { processors: 5 }]]);
      const weights = new Map([['a', weight]]);
      const ordered = fairOrder(all, { capacity, usedBy, weights });
      assert.deepEqual(ordered.map(({ id }) => id).sort(), all.map(({ id }) => id).sort());
      const used = new Map<string, { processors: number; memory: number }>([['b', { processors: 5, memory: 0 }]]);
      const shareOf = (tenant: string) =>
        dominantShare(used.get(tenant) ?? {}, capacity) / (tenant === 'a' ? weight : 1);
      ordered.forEach(({ tenant, processors, resources }, at) => {
        const others = ordered.slice(at).map((other) => shareOf(other.tenant));
        assert.equal(shareOf(tenant), Math.min(...others));
        const before = used.get(tenant) ?? { processors: 0, memory: 0 };
        const memory = before.memory + (resources.memory ?? 0);
        used.set(tenant, { processors: before.processors + processors, memory });
      });
    }),
  );
});

test('a share of what there is not is infinite, and amounts that are none are refused', () => {
  assert.equal(dominantShare({ gpus: 1 }, { processors: 4 }), Number.POSITIVE_INFINITY);
  assert.equal(dominantShare({ gpus: 0, processors: 1 }, { processors: 4 }), 0.25);
  const fairness = { capacity: { processors: 4 }, usedBy: new Map() };
  assert.throws(() => fairOrder([work('a', { processors: Number.NaN })], fairness), FogError);
  assert.throws(() => fairOrder([work('a')], { ...fairness, weights: new Map([['tenant', 0]]) }), FogError);
});

test('a quota says which limit a start or a submission would go beyond', () => {
  const quota = { running: { processors: 8, memory: 10 }, runningWork: 3, queuedWork: 2 };
  const use = { running: { processors: 6, memory: 1 }, runningWork: 2, queuedWork: 1 };
  assert.equal(excessOfStart(quota, use, { processors: 2, resources: { memory: 9, gpus: 5 } }), null);
  assert.deepEqual(excessOfStart(quota, use, { processors: 3, resources: {} }), {
    limit: 'processors',
    allowed: 8,
    used: 6,
    wanted: 3,
  });
  assert.equal(excessOfStart(quota, { ...use, runningWork: 3 }, work('a'))?.limit, 'running work');
  assert.equal(excessOfSubmit(quota, use), null);
  assert.equal(excessOfSubmit(quota, { ...use, queuedWork: 2 })?.limit, 'queued work');
});

test('tiers cost 1, 2.5 and 5 and promise p95 waits of 2500, 1200 and 400 ms', () => {
  const of = (key: 'pricePermille' | 'p95WaitMilliseconds') => SERVICE_TIERS.map((tier) => SERVICE_LEVELS[tier][key]);
  assert.deepEqual(of('pricePermille'), [1000, 2500, 5000]);
  assert.deepEqual(of('p95WaitMilliseconds'), [2500, 1200, 400]);
});

test('the wait of the 95th of 100 decides, and credits grow with the miss up to the whole price', () => {
  const waits = (late: number) => Array.from({ length: 100 }, (_, index) => (index < late ? 5000 : 10));
  assert.deepEqual(settleServiceLevel('gold', waits(5)), {
    tier: 'gold',
    count: 100,
    p95WaitMilliseconds: 10,
    isMet: true,
    creditPermille: 0,
  });
  assert.equal(settleServiceLevel('gold', waits(6)).creditPermille, 1000);
  assert.deepEqual(
    [400, 401, 600, 601, 800, 801, 1600, 1601].map((wait) => creditPermille('gold', wait)),
    [0, 100, 100, 250, 250, 500, 500, 1000],
  );
  assert.deepEqual(settleServiceLevel('bronze', []), {
    tier: 'bronze',
    count: 0,
    p95WaitMilliseconds: null,
    isMet: true,
    creditPermille: 0,
  });
  assert.throws(() => settleServiceLevel('bronze', [Number.NaN]), FogError);
  assert.equal(slackSeconds(work('a', { tier: 'gold', submittedAtSeconds: 10 }), 10.1).toFixed(3), '0.300');
});

test('preemption: room is made, no victim is needless, and no node would have lost less by the same rule', () => {
  const amount = fc.record({ processors: fc.nat({ max: 6 }), memory: fc.nat({ max: 6 }) });
  const node = fc.record({
    free: amount,
    spot: fc.array(fc.record({ demand: amount, lostProcessorSeconds: fc.nat({ max: 50 }) }), { maxLength: 5 }),
  });
  fc.assert(
    fc.property(fc.array(node, { maxLength: 4 }), amount, (drawn, wanted) => {
      const nodes = drawn.map(({ free, spot }, at) => ({
        id: `n${at}`,
        free,
        spot: spot.map((one, index) => ({ ...one, id: `n${at}s${index}` })),
      }));
      const freed = (at: (typeof nodes)[number], victims: readonly string[], key: 'processors' | 'memory') =>
        at.spot.reduce((sum, { id, demand }) => sum + (victims.includes(id) ? demand[key] : 0), at.free[key]);
      const fits = (at: (typeof nodes)[number], victims: readonly string[]) =>
        freed(at, victims, 'processors') >= wanted.processors && freed(at, victims, 'memory') >= wanted.memory;
      const choice = chooseSpotVictims(wanted, nodes);
      const possible = nodes.filter((at) =>
        fits(
          at,
          at.spot.map(({ id }) => id),
        ),
      );
      assert.equal(choice === null, possible.length === 0);
      if (choice === null) return;
      const at = nodes.find(({ id }) => id === choice.nodeId) as (typeof nodes)[number];
      assert.ok(fits(at, choice.victims));
      for (const victim of choice.victims)
        assert.ok(
          !fits(
            at,
            choice.victims.filter((other) => other !== victim),
          ),
        );
      for (const one of nodes) {
        const alone = chooseSpotVictims(wanted, [one]);
        assert.ok(alone === null || alone.lostProcessorSeconds >= choice.lostProcessorSeconds);
      }
    }),
  );
});

test('the cheapest lost work goes first: what was checkpointed lately before what would lose hours', () => {
  const running = (id: string, processors: number, safeAtSeconds: number) => ({
    ...{ id, processors, safeAtSeconds, tenant: 't', isSpot: true, resources: {}, expectedEndSeconds: 9999 },
  });
  const spot = [running('hours', 4, 0), running('minutes', 4, 3500)].map((one) => ({
    id: one.id,
    demand: { processors: one.processors },
    lostProcessorSeconds: lostProcessorSeconds(one, 3600),
  }));
  assert.deepEqual(chooseSpotVictims({ processors: 3 }, [{ id: 'n', free: {}, spot }]), {
    nodeId: 'n',
    victims: ['minutes'],
    lostProcessorSeconds: 400,
  });
});

test('dependencies: an order that respects them, or an error that names the cycle', () => {
  const of = (edges: Record<string, string[]>) => Object.entries(edges).map(([id, dependsOn]) => ({ id, dependsOn }));
  const order = dependencyOrder(of({ c: ['b', 'done'], b: ['a'], a: [], d: ['a', 'c'] }), new Set(['done']));
  assert.deepEqual(
    order.map(({ id }) => id),
    ['a', 'b', 'c', 'd'],
  );
  const cyclic = of({ free: [], x: ['z', 'free'], y: ['x'], z: ['y'], after: ['z'] });
  assert.throws(
    () => dependencyOrder(cyclic, new Set()),
    (error) => {
      assert.ok(error instanceof FogError && error.code === 'invalid-request');
      assert.deepEqual(error.details.cycle, ['x', 'y', 'z']);
      assert.match(error.message, /x -> y -> z -> x/);
      return true;
    },
  );
  assert.throws(() => dependencyOrder(of({ self: ['self'] }), new Set()), /self -> self/);
  assert.throws(() => dependencyOrder(of({ a: ['nobody'] }), new Set()), /nobody, which there is not/);
  assert.throws(() => dependencyOrder([...of({ a: [] }), ...of({ a: [] })], new Set()), /one id/);
});
