import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { feasibility } from '../../src/placement/feasibility.ts';
import {
  missingBytes,
  type NodeOffer,
  PLACEMENT_LIMITS,
  PlaceIndex,
  ROUTER_STRATEGIES,
  Router,
  type RouterStrategyName,
  type TaskToPlace,
  transferMilliseconds,
} from '../../src/placement/index.ts';
import { estimateLoad } from '../../src/placement/router/load.ts';
import { drawnFog, NOW, node, processors, task } from './small-fog.ts';

const drawnStrategy = fc.constantFrom(...ROUTER_STRATEGIES);

/** What a scan of all nodes says: those that suit, have room and hold no replica's neighbour. */
function possible(
  router: Router,
  wanted: TaskToPlace,
  ids: readonly string[],
  replicas: readonly NodeOffer[],
): NodeOffer[] {
  const nodes = ids.flatMap((id) => router.node(id) ?? []);
  const { ready } = feasibility(wanted, nodes, NOW);
  return ready
    .map((index) => nodes[index] as NodeOffer)
    .filter((each) => replicas.every((other) => other.owner !== each.owner && other.prefix !== each.prefix));
}

test('router: finds a place exactly when a scan of all nodes does, and never gives more than there is', () => {
  fc.assert(
    fc.property(drawnFog, drawnStrategy, fc.nat(), fc.nat(13), ({ tasks, nodes }, strategy, seed, released) => {
      const router = new Router(nodes, { strategy, seed });
      const ids = nodes.map(({ id }) => id);
      const groups = new Map<string, NodeOffer[]>();
      tasks.forEach((each, index) => {
        const wanted = { ...each, running: null };
        const replicas = groups.get(wanted.replicaGroup ?? '') ?? [];
        const expected = possible(router, wanted, ids, replicas);
        if (expected.length === 0) {
          assert.throws(() => router.place(wanted, NOW), { code: 'unavailable' });
          return;
        }
        const { node: id } = router.place(wanted, NOW);
        const chosen = expected.find((offer) => offer.id === id);
        assert.ok(chosen !== undefined, `${id} is not possible`);
        if (wanted.replicaGroup !== null) groups.set(wanted.replicaGroup, [...replicas, chosen]);
        const { free } = router.node(id) as NodeOffer;
        assert.ok(
          free.milliCpu >= 0 && free.memoryBytes >= 0 && Object.values(free.others).every((amount) => amount >= 0),
        );
        if (index === released && wanted.replicaGroup === null) router.release(wanted.id);
      });
      for (const each of tasks) router.release(each.id);
      for (const offer of nodes) assert.deepEqual(router.node(offer.id), offer, 'all room is given back');
    }),
    { numRuns: 300 },
  );
});

/** The best value among all possible nodes, and that of the chosen one. */
function assertLeast(strategy: RouterStrategyName, valueOn: (offer: NodeOffer, wanted: TaskToPlace) => number): void {
  fc.assert(
    fc.property(drawnFog, ({ tasks, nodes }) => {
      const router = new Router(nodes, { strategy, seed: 1 });
      const ids = nodes.map(({ id }) => id);
      for (const each of tasks) {
        const wanted = { ...each, running: null, replicaGroup: null };
        const expected = possible(router, wanted, ids, []);
        if (expected.length === 0) continue;
        const least = Math.min(...expected.map((offer) => valueOn(offer, wanted)));
        const { node: id } = router.place(wanted, NOW);
        const chosen = expected.find((offer) => offer.id === id) as NodeOffer;
        assert.ok(
          Math.abs(valueOn(chosen, wanted) - least) <= 1e-9 * Math.max(1, least),
          `${valueOn(chosen, wanted)}, not ${least}`,
        );
      }
    }),
    { numRuns: 200 },
  );
}

test('router: least-loaded takes the node of which least is taken', () => {
  assertLeast('least-loaded', (offer) => estimateLoad(offer, ['milliCpu', 'memoryBytes', 'slots']));
});

test('router: balanced takes the least loaded node, one of less reputation counting as fuller', () => {
  assertLeast('balanced', (offer) => {
    const load = estimateLoad(offer, ['milliCpu', 'memoryBytes', 'slots']);
    return load + PLACEMENT_LIMITS.doubtLoad * (1 - offer.reputation);
  });
});

test('index: after any changes of room and willingness it answers as one that was made of the nodes as they are', () => {
  const drawnChange = fc.record({ node: fc.nat(7), cores: fc.nat(6), takesWork: fc.boolean() });
  fc.assert(
    fc.property(drawnFog, fc.array(drawnChange, { maxLength: 20 }), ({ tasks, nodes }, changes) => {
      const changed = new PlaceIndex(nodes, { seed: 1 });
      for (const { node: at, cores, takesWork } of changes) changed.setFree(`n${at}`, processors(cores), takesWork);
      const fresh = new PlaceIndex(changed.nodes(), { seed: 1 });
      for (const strategy of ROUTER_STRATEGIES) {
        for (const [index, wanted] of tasks.entries()) {
          const all = () => true;
          const question = {
            task: { ...wanted, onlyNode: null },
            strategy,
            kind: `${index}`,
            suits: all,
            isWanted: all,
          };
          assert.deepEqual(changed.choose(question), fresh.choose(question), strategy);
        }
      }
    }),
    { numRuns: 200 },
  );
});

test('router: proximity takes the node on which the task can start soonest', () => {
  assertLeast(
    'proximity',
    (offer, wanted) =>
      offer.latencyMilliseconds + transferMilliseconds(missingBytes(wanted, offer.id), offer.downloadBitsPerSecond),
  );
});

test('router: privacy-aware takes the lowest sufficient level, then the most trusted node', () => {
  const nodes = [
    node('secret', { privacyLevel: 'secret', reputation: 0.99 }),
    node('private', { privacyLevel: 'private', reputation: 0.9 }),
    node('better', { privacyLevel: 'private', reputation: 0.95 }),
    node('public', { privacyLevel: 'public', reputation: 0.99 }),
  ];
  const router = new Router(nodes, { strategy: 'privacy-aware', seed: 1 });
  const place = (id: string, privacyLevel: TaskToPlace['privacyLevel']) =>
    router.place(task(id, { privacyLevel }), NOW).node;
  assert.deepEqual(
    [place('a', 'private'), place('b', 'confidential'), place('c', 'public')],
    ['better', 'secret', 'public'],
  );
});

test('router: affinity goes to whoever has the data, else keeps to one node for one key while it has room', () => {
  const nodes = Array.from({ length: 40 }, (_, index) => node(`n${index}`));
  const router = new Router(nodes, { strategy: 'affinity', seed: 1 });
  assert.equal(
    router.place(
      task('a', {
        inputs: [
          { bytes: 9, nodes: ['n7'] },
          { bytes: 90, nodes: ['n8', 'gone'] },
        ],
      }),
      NOW,
    ).node,
    'n8',
  );
  const affinity = { key: 'image', coldStartMilliseconds: 1000 };
  const places = Array.from({ length: 5 }, (_, index) => router.place(task(`k${index}`, { affinity }), NOW).node);
  assert.equal(new Set(places.slice(0, 4)).size, 1);
  assert.notEqual(places[4], places[0], 'four processors are four tasks');
});

test('router: round-robin visits every node once before any a second time', () => {
  const router = new Router(
    Array.from({ length: 7 }, (_, index) => node(`n${index}`)),
    { strategy: 'round-robin', seed: 1 },
  );
  const places = Array.from({ length: 14 }, (_, index) => router.place(task(`t${index}`), NOW).node);
  assert.equal(new Set(places.slice(0, 7)).size, 7);
  assert.deepEqual(places.slice(7), places.slice(0, 7));
});

test('router: two choices spread load better than one would, and repeat with the seed', () => {
  const nodes = Array.from({ length: 50 }, (_, index) => node(`n${index}`, { capacity: processors(40) }));
  const places = (seed: number) => {
    const router = new Router(nodes, { strategy: 'power-of-two-choices', seed });
    return Array.from({ length: 500 }, (_, index) => router.place(task(`t${index}`), NOW).node);
  };
  assert.deepEqual(places(1), places(1));
  assert.notDeepEqual(places(1), places(2));
  const most = Math.max(...Object.values(Object.groupBy(places(1), (id) => id)).map((each) => each?.length ?? 0));
  assert.ok(most <= 15, `${most} tasks on one node, where 10 are the mean; a single choice has some 18`);
});

test('router: nodes come, change and vanish; their tasks are told, and their room is nobody else’s', () => {
  const router = new Router([node('a')], { strategy: 'least-loaded', seed: 1 });
  for (let index = 0; index < 40; index += 1)
    router.setNode(node(`late${index}`, { features: index === 33 ? ['gpu'] : [] }));
  assert.equal(router.place(task('g', { features: ['gpu'] }), NOW).node, 'late33');
  router.setNode(node('late33', { capacity: { ...processors(4), others: { slots: 4, gpus: 2 } } }));
  assert.equal(router.node('late33')?.free.milliCpu, 3000, 'what was placed there still is');
  assert.throws(() => router.place(task('h', { features: ['gpu'] }), NOW), { code: 'unavailable' });
  assert.equal(router.place(task('i', { needs: { ...processors(1), others: { gpus: 1 } } }), NOW).node, 'late33');
  assert.deepEqual(router.removeNode('late33'), ['g', 'i']);
  assert.deepEqual([router.placed, router.node('late33'), router.removeNode('late33')], [0, undefined, []]);
  assert.throws(() => router.place(task('j', { onlyNode: 'late33' }), NOW), { code: 'unavailable' });
  router.setNode(node('a', { takesWork: false }));
  assert.throws(
    () => router.place(task('k', { onlyNode: 'a' }), NOW),
    (error: Error & { details: Record<string, unknown> }) => {
      assert.deepEqual(error.details.excluded, [
        { kind: 'node', constraint: 'not the node a', nodes: 39 },
        { kind: 'takes-work', constraint: 'takes no work', nodes: 1 },
      ]);
      return true;
    },
  );
});

test('router: refuses what makes no sense', () => {
  assert.throws(() => new Router([], { strategy: 'fastest' as RouterStrategyName, seed: 1 }), {
    code: 'invalid-configuration',
  });
  const router = new Router([node('a')], { strategy: 'least-loaded', seed: 1 });
  assert.throws(() => router.place(task('t', { needs: processors(-1) }), NOW), { code: 'invalid-request' });
  router.place(task('t'), NOW);
  assert.throws(() => router.place(task('t'), NOW), { code: 'conflict' });
  assert.equal(router.release('unknown'), false);
  assert.throws(() => new Router([], { strategy: 'round-robin', seed: 1 }).place(task('t'), NOW), /there are no nodes/);
});
