import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Cluster,
  GPU_STRIDE,
  gpuMilliOf,
  PACKING_LIMITS,
  type Placement,
  TaskPlacer,
  type TaskShape,
} from '@fog/scheduler/packing';
import { RandomNumbers } from '@fog/scheduler/random-numbers';
import fc from 'fast-check';
import { gpuNode, nodeShapes, share, taskShapes, whole } from './shapes-for-tests.ts';

test('whatever is taken and given back, what is free and what is in use add up to the node', () => {
  fc.assert(
    fc.property(nodeShapes, taskShapes, fc.array(fc.nat()), (nodes, tasks, releases) => {
      const cluster = new Cluster(nodes);
      const placer = new TaskPlacer('random', { cluster, profile: [], random: new RandomNumbers(1) });
      const running: { placement: Placement; task: TaskShape }[] = [];
      for (const [index, task] of tasks.entries()) {
        const placement = placer.place(task);
        if (placement !== null) running.push({ placement, task });
        const [ended] = index in releases ? running.splice((releases[index] as number) % (running.length + 1), 1) : [];
        if (ended !== undefined) cluster.release(ended.placement, ended.task);
        assertAddsUp(cluster, running);
      }
      for (const { placement, task } of running) cluster.release(placement, task);
      assert.deepEqual(cluster.freeGpuMilli, new Cluster(nodes).freeGpuMilli);
      assert.equal(cluster.allocatedGpuMilli, 0);
      for (let node = 0; node < nodes.length; node += 1) assert.equal(cluster.kindsOn(node), 0);
    }),
    { numRuns: 200 },
  );
});

function assertAddsUp(cluster: Cluster, running: readonly { placement: Placement; task: TaskShape }[]): void {
  for (const [node, { cpuMilli, memoryMebibytes, gpuCount }] of cluster.nodes.entries()) {
    const here = running.filter(({ placement }) => placement.node === node);
    const sum = (of: (task: TaskShape) => number) => here.reduce((total, { task }) => total + of(task), 0);
    assert.equal((cluster.freeCpuMilli[node] as number) + sum((task) => task.cpuMilli), cpuMilli);
    assert.equal((cluster.freeMemoryMebibytes[node] as number) + sum((task) => task.memoryMebibytes), memoryMebibytes);
    assert.ok((cluster.freeCpuMilli[node] as number) >= 0 && (cluster.freeMemoryMebibytes[node] as number) >= 0);
    for (let gpu = 0; gpu < GPU_STRIDE; gpu += 1) {
      const used = here.filter(({ placement }) => placement.gpus.includes(gpu));
      const usedMilli = used.reduce((total, { task }) => total + task.gpuMilli, 0);
      const free = cluster.freeGpuMilli[node * GPU_STRIDE + gpu] as number;
      assert.ok(free >= 0);
      assert.equal(free + usedMilli, gpu < gpuCount ? 1000 : 0);
    }
  }
  const allocated = running.reduce((total, { task }) => total + gpuMilliOf(task), 0);
  assert.equal(cluster.allocatedGpuMilli, allocated);
}

test('a plan that has become stale is refused and changes nothing', () => {
  const cluster = new Cluster([gpuNode(1)]);
  cluster.take({ node: 0, gpus: [0] }, share(600));
  const version = cluster.versions[0];
  const refused: [Placement, TaskShape][] = [
    [{ node: 0, gpus: [0] }, share(500)],
    [{ node: 0, gpus: [1] }, share(100)],
    [{ node: 0, gpus: [] }, share(100)],
    [{ node: 1, gpus: [0] }, share(100)],
    [{ node: 0, gpus: [0, 0] }, whole(2)],
    [
      { node: 0, gpus: [] },
      { ...share(100), gpuCount: 0, gpuMilli: 0, cpuMilli: 96_000 },
    ],
  ];
  for (const [placement, task] of refused) {
    assert.throws(() => cluster.take(placement, task), { code: 'conflict' });
  }
  assert.throws(() => cluster.release({ node: 0, gpus: [0] }, share(700)), { code: 'conflict' });
  assert.throws(() => cluster.release({ node: 0, gpus: [0] }, whole(1)), { code: 'conflict' });
  assert.equal(cluster.versions[0], version);
  assert.equal(cluster.allocatedGpuMilli, 600);
});

test('it is told what a task lacks, and on how many nodes', () => {
  const nodes = [gpuNode(0), gpuNode(1, 500), gpuNode(2, 96_000, 'T4'), { ...gpuNode(2), memoryMebibytes: 1 }];
  const cluster = new Cluster(nodes);
  const task = { ...whole(2), memoryMebibytes: 64, gpuModels: ['T4'] };
  assert.deepEqual(cluster.obstacles(task), { cpu: 1, memory: 1, gpu: 2, gpuModel: 3 });
  assert.deepEqual(new Cluster([]).obstacles(task), { cpu: 0, memory: 0, gpu: 0, gpuModel: 0 });
});

test('impossible nodes and tasks are refused', () => {
  for (const cpuMilli of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, PACKING_LIMITS.cpuMilli + 1]) {
    assert.throws(() => new Cluster([gpuNode(1, cpuMilli)]), { code: 'invalid-request', message: /cpuMilli/ });
  }
  assert.throws(() => new Cluster([gpuNode(PACKING_LIMITS.gpusPerNode + 1)]), { code: 'invalid-request' });
  const models = Array.from({ length: PACKING_LIMITS.gpuModels + 1 }, (_, index) => gpuNode(1, 1, `model ${index}`));
  assert.throws(() => new Cluster(models), { code: 'invalid-request', message: /models of GPUs/ });
  const cluster = new Cluster([gpuNode(2)]);
  const placer = new TaskPlacer('fgd', { cluster, profile: [], random: new RandomNumbers(1) });
  const bad = [{ ...whole(2), gpuMilli: 500 }, share(0), share(1001), { ...share(10), gpuCount: 0 }, share(1, -1)];
  for (const task of bad) assert.throws(() => placer.choose(task), { code: 'invalid-request' });
});
