import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster, PACKING_POLICIES, profileOf, TaskPlacer, type TaskShape } from '../../src/packing/index.ts';
import { RandomNumbers } from '../../src/random-numbers.ts';

const NODE = { name: 'n', cpuMilli: 4000, memoryMebibytes: 1024, gpuCount: 1, gpuModel: 'T4' };
const TASK: TaskShape = { cpuMilli: 1000, memoryMebibytes: 64, gpuCount: 1, gpuMilli: 500, gpuModels: [] };

function placers(cluster: Cluster, profile = profileOf([TASK])): TaskPlacer[] {
  return PACKING_POLICIES.map((policy) => new TaskPlacer(policy, { cluster, profile, random: new RandomNumbers(1) }));
}

test('an empty cluster takes nothing, under every policy', () => {
  const cluster = new Cluster([]);
  for (const placer of placers(cluster)) assert.equal(placer.choose(TASK), null);
  assert.deepEqual(cluster.obstacles(TASK), { cpu: 0, memory: 0, gpu: 0, gpuModel: 0 });
});

test('one node takes what fits, under every policy, even when nothing is expected', () => {
  for (const profile of [profileOf([TASK]), profileOf([])]) {
    for (const placer of placers(new Cluster([NODE]), profile)) {
      assert.deepEqual(placer.choose(TASK), { node: 0, gpus: [0] });
      assert.equal(placer.choose({ ...TASK, cpuMilli: 5000 }), null);
    }
  }
});

test('what cannot be is neither chosen for, taken nor given back', () => {
  const cluster = new Cluster([NODE]);
  cluster.take({ node: 0, gpus: [0] }, TASK);
  const strange: Partial<TaskShape>[] = [
    { cpuMilli: -1000 },
    { cpuMilli: Number.NaN },
    { memoryMebibytes: 0.5 },
    { gpuMilli: Number.POSITIVE_INFINITY },
    { gpuMilli: -1 },
    { gpuCount: 99, gpuMilli: 1000 },
  ];
  const before = [...cluster.freeCpuMilli, ...cluster.freeMemoryMebibytes, ...cluster.freeGpuMilli];
  const [placer] = placers(cluster);
  for (const changes of strange) {
    const shape = { ...TASK, ...changes };
    assert.throws(() => placer?.choose(shape), { name: 'FogError', code: 'invalid-request' });
    assert.throws(() => cluster.take({ node: 0, gpus: [0] }, shape), { name: 'FogError', code: 'invalid-request' });
    assert.throws(() => cluster.release({ node: 0, gpus: [0] }, shape), { name: 'FogError', code: 'invalid-request' });
  }
  for (const placement of [
    { node: -1, gpus: [0] },
    { node: 7, gpus: [0] },
    { node: 0.5, gpus: [0] },
    { node: 0, gpus: [0.5] },
  ]) {
    assert.throws(() => cluster.take(placement, TASK), { name: 'FogError', code: 'conflict' });
    assert.throws(() => cluster.release(placement, TASK), { name: 'FogError', code: 'conflict' });
  }
  assert.deepEqual([...cluster.freeCpuMilli, ...cluster.freeMemoryMebibytes, ...cluster.freeGpuMilli], before);
});
