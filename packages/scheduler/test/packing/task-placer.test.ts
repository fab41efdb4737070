import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Cluster,
  PACKING_POLICIES,
  type PackingPolicyName,
  profileOf,
  TaskPlacer,
  type TaskShape,
} from '@fog/scheduler/packing';
import { RandomNumbers } from '@fog/scheduler/random-numbers';
import fc from 'fast-check';
import { gpuNode, nodeShapes, share, taskShapes, whole } from './shapes-for-tests.ts';

test('kept scores change nothing: a placer that remembers chooses as one that does not', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...PACKING_POLICIES.filter((policy) => policy !== 'random')),
      nodeShapes,
      taskShapes,
      (policy, nodes, tasks) => {
        const context = { cluster: new Cluster(nodes), profile: profileOf(tasks), random: new RandomNumbers(1) };
        const placer = new TaskPlacer(policy, context);
        for (const task of tasks) {
          const fresh = new TaskPlacer(policy, context).choose(task);
          assert.deepEqual(placer.place(task), fresh);
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('a task is refused only when no node has room for it, under every policy', () => {
  fc.assert(
    fc.property(fc.constantFrom(...PACKING_POLICIES), nodeShapes, taskShapes, (policy, nodes, tasks) => {
      const cluster = new Cluster(nodes);
      const placer = new TaskPlacer(policy, { cluster, profile: profileOf(tasks), random: new RandomNumbers(7) });
      for (const task of tasks) {
        const fits = nodes.some((_, node) => cluster.fits(node, task));
        assert.equal(placer.place(task) !== null, fits);
      }
    }),
    { numRuns: 150 },
  );
});

/** Places all, and says on which node and GPUs the last one is. */
function lastPlace(policy: PackingPolicyName, nodes: ReturnType<typeof gpuNode>[], tasks: TaskShape[]) {
  const cluster = new Cluster(nodes);
  const placer = new TaskPlacer(policy, { cluster, profile: profileOf(tasks), random: new RandomNumbers(3) });
  return tasks.map((task) => placer.place(task)).at(-1);
}

test('best fit takes the node that is left with least', () => {
  const nodes = [gpuNode(8, 96_000), gpuNode(2, 16_000), gpuNode(4, 32_000)];
  assert.deepEqual(lastPlace('best-fit', nodes, [whole(1)]), { node: 1, gpus: [0] });
  assert.deepEqual(lastPlace('best-fit', nodes, [whole(2), whole(1)]), { node: 2, gpus: [0] });
});

test('packing prefers a shared GPU, then a node in use, then the first empty one', () => {
  const nodes = [gpuNode(2), gpuNode(2)];
  assert.deepEqual(lastPlace('gpu-packing', nodes, [share(300)]), { node: 0, gpus: [0] });
  assert.deepEqual(lastPlace('gpu-packing', nodes, [share(300), share(300)]), { node: 0, gpus: [0] });
  assert.deepEqual(lastPlace('gpu-packing', nodes, [share(300), share(300), whole(1)]), { node: 0, gpus: [1] });
  assert.deepEqual(lastPlace('gpu-packing', nodes, [share(300), share(800), share(800)]), { node: 1, gpus: [0] });
});

test('clustering keeps whole GPUs and shares apart', () => {
  const nodes = [gpuNode(4), gpuNode(4)];
  assert.deepEqual(lastPlace('gpu-clustering', nodes, [share(300), whole(1)]), { node: 1, gpus: [0] });
  assert.deepEqual(lastPlace('gpu-clustering', nodes, [share(300), whole(1), share(900)]), { node: 0, gpus: [1] });
});

test('fragmentation gradient descent keeps whole GPUs for tasks that need them', () => {
  const nodes = [gpuNode(2), gpuNode(2)];
  const expected = [whole(2), whole(2), whole(2), share(500), share(500)];
  const cluster = new Cluster(nodes);
  const placer = new TaskPlacer('fgd', { cluster, profile: profileOf(expected), random: new RandomNumbers(1) });
  assert.deepEqual(placer.place(share(500)), { node: 0, gpus: [0] });
  assert.deepEqual(placer.place(share(500)), { node: 0, gpus: [0] });
  assert.deepEqual(placer.place(whole(2)), { node: 1, gpus: [0, 1] });
});

test('our policy puts together what fills a GPU', () => {
  const expected = [share(600), share(400), share(300), share(700)];
  const cluster = new Cluster([gpuNode(2)]);
  const placer = new TaskPlacer('remnant', { cluster, profile: profileOf(expected), random: new RandomNumbers(1) });
  const places = [share(600), share(300), share(400), share(700)].map((task) => placer.place(task)?.gpus[0]);
  assert.deepEqual(places, [0, 1, 0, 1]);
});

test('the random policy reaches every node and GPU, and repeats itself with its seed', () => {
  const draw = (seed: number) => {
    const nodes = Array.from({ length: 20 }, () => gpuNode(4));
    const cluster = new Cluster(nodes);
    const placer = new TaskPlacer('random', { cluster, profile: [], random: new RandomNumbers(seed) });
    return Array.from({ length: 600 }, () => placer.place(share(100)));
  };
  const places = draw(1);
  assert.equal(new Set(places.map((place) => place?.node)).size, 20);
  assert.equal(new Set(places.map((place) => place?.gpus[0])).size, 4);
  assert.deepEqual(places, draw(1));
  assert.notDeepEqual(places, draw(2));
});

test('more shapes than the table has rows make each other room, and inherit nothing', () => {
  const nodes = Array.from({ length: 50_000 }, (_, node) => gpuNode(1, 1e6, node === 0 ? 'A' : 'B'));
  const cluster = new Cluster(nodes);
  const placer = new TaskPlacer('best-fit', { cluster, profile: [], random: new RandomNumbers(1) });
  for (let index = 0; index < 200; index += 1) {
    const cpuMilli = 1 + (index % 100);
    const isOnFirst = index % 5 < 2;
    const task = isOnFirst ? { ...share(1, cpuMilli), gpuModels: ['A'] } : { ...whole(1, cpuMilli), gpuModels: ['B'] };
    const node = placer.place(task)?.node;
    assert.equal(node === 0, isOnFirst);
    assert.notEqual(node, undefined);
  }
});
