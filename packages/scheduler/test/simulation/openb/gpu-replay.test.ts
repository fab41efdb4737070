import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type NodeShape, PACKING_POLICIES, type PackingPolicyName, type TaskShape } from '@fog/scheduler/packing';
import { RandomNumbers } from '@fog/scheduler/random-numbers';
import { type GpuReplay, replayGpuCluster } from '@fog/scheduler/simulation/openb';

/** Drawn from a stream of our own, so that no policy can have been fitted to it. */
function workload(seed: number): { nodes: NodeShape[]; tasks: TaskShape[] } {
  const random = new RandomNumbers(seed);
  const pick = <Value>(values: readonly Value[]) => values[random.below(values.length)] as Value;
  const nodes = Array.from({ length: 60 }, (_, index) => {
    const [cpuMilli, gpuCount] = pick([
      [96_000, 8],
      [104_000, 2],
      [16_000, 2],
    ] as const);
    return { name: `n${index}`, cpuMilli, memoryMebibytes: 1 << 18, gpuCount, gpuModel: pick(['A', 'B']) };
  });
  const shares = Array.from({ length: 4 }, () => 100 + 10 * random.below(75));
  const tasks = Array.from({ length: 400 }, () => {
    const cpuMilli = 1000 * (1 + random.below(16));
    const [gpuCount, gpuMilli] = pick([
      [0, 0],
      [1, pick(shares)],
      [1, pick(shares)],
      [1, 1000],
      [2, 1000],
    ] as const);
    return { cpuMilli, memoryMebibytes: 1024, gpuCount, gpuMilli, gpuModels: [] };
  });
  return { nodes, tasks };
}

const replayOf = (policy: PackingPolicyName, changes: Partial<GpuReplay> = {}) =>
  replayGpuCluster({ ...workload(5), policy, loadRatio: 1.3, seed: 1, ...changes });

test('the same seed gives the same figures, under every policy', () => {
  for (const policy of PACKING_POLICIES) {
    const result = replayOf(policy);
    assert.deepEqual(replayOf(policy), result);
    assert.ok(result.allocationPercent > 50 && result.allocationPercent <= 100);
    assert.ok(result.fragmentationPercent >= 0 && result.fragmentationPercent <= 100.001);
    assert.ok(result.refusedTasks > 0);
  }
  assert.notDeepEqual(replayOf('fgd', { seed: 2 }), replayOf('fgd'));
});

test('what a cluster can hold is placed: half the load leaves nobody out', () => {
  const { refusedTasks, allocationPercent } = replayOf('remnant', { loadRatio: 0.5 });
  assert.equal(refusedTasks, 0);
  assert.ok(Math.abs(allocationPercent - 50) < 1.5, `${allocationPercent}`);
});

test('a cluster of whole GPUs is filled to the last', () => {
  const nodes = [{ name: 'n', cpuMilli: 8000, memoryMebibytes: 8, gpuCount: 8, gpuModel: 'A' }];
  const tasks = [{ cpuMilli: 1000, memoryMebibytes: 1, gpuCount: 1, gpuMilli: 1000, gpuModels: [] }];
  for (const policy of PACKING_POLICIES) {
    const result = replayGpuCluster({ nodes, tasks, policy, loadRatio: 2, seed: 1 });
    assert.deepEqual(result, {
      allocationPercent: 100,
      fragmentationPercent: 0,
      processorPercent: 100,
      memoryPercent: 100,
      placedTasks: 8,
      refusedTasks: 8,
    });
  }
});

test('our policy fills more than the published ones on workloads of another make', () => {
  const mean = (policy: PackingPolicyName) => {
    const results = [1, 2, 3, 4].map((seed) =>
      replayGpuCluster({ ...workload(100 + seed), policy, loadRatio: 1.3, seed }),
    );
    return results.reduce((sum, { allocationPercent }) => sum + allocationPercent, 0) / results.length;
  };
  const own = mean('remnant');
  for (const policy of PACKING_POLICIES) if (policy !== 'remnant') assert.ok(own > mean(policy), policy);
});

test('what cannot be replayed is refused', () => {
  const { nodes, tasks } = workload(1);
  const refused: [Partial<GpuReplay>, RegExp][] = [
    [{ tasks: [] }, /no task of the list asks for a GPU/],
    [{ tasks: tasks.map((task) => ({ ...task, gpuCount: 0, gpuMilli: 0 })) }, /no task/],
    [{ nodes: [] }, /no node of the cluster has a GPU/],
    [{ nodes: nodes.map((node) => ({ ...node, gpuCount: 0 })) }, /no node/],
    [{ loadRatio: 0 }, /a load of 0/],
    [{ loadRatio: Number.NaN }, /a load of NaN/],
    [{ loadRatio: 11 }, /a load of 11/],
    [{ tasks: [{ ...(tasks[0] as TaskShape), gpuCount: 2, gpuMilli: 5 }] }, /of each of 2 GPUs/],
  ];
  for (const [changes, message] of refused) {
    assert.throws(() => replayOf('fgd', changes), { code: 'invalid-request', message });
  }
});
