import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PACKING_POLICIES } from '@fog/scheduler/packing';
import { replayGpuClusterInTime, type TimedTask } from '@fog/scheduler/simulation/openb';
import fc from 'fast-check';
import { GPU_NODES } from '../simulation-samples.ts';

const tasks: fc.Arbitrary<TimedTask[]> = fc.array(
  fc
    .record({
      cpuMilli: fc.integer({ min: 0, max: 9000 }),
      memoryMebibytes: fc.integer({ min: 0, max: 600 }),
      gpu: fc.constantFrom([0, 0], [1, 250], [1, 700], [1, 1000], [2, 1000], [3, 1000]),
      createdAtSeconds: fc.nat(40),
      runSeconds: fc.nat(30),
    })
    .map(({ gpu: [gpuCount = 0, gpuMilli = 0], ...rest }) => ({ ...rest, gpuCount, gpuMilli, gpuModels: [] })),
  { minLength: 1, maxLength: 30 },
);

test('nobody starts before it comes, no node ever gives more than it has, and all that can run does', () => {
  fc.assert(
    fc.property(tasks, fc.constantFrom(...PACKING_POLICIES), (some, policy) => {
      const replay = { nodes: GPU_NODES, tasks: some, policy, seed: 3 };
      const { placements, fragmentationPercent } = replayGpuClusterInTime(replay);
      assert.deepEqual(replayGpuClusterInTime(replay), { placements, fragmentationPercent });
      assert.ok(fragmentationPercent >= 0 && fragmentationPercent <= 100.001);
      for (const [index, placed] of placements.entries()) {
        const task = some[index] as TimedTask;
        assert.equal(placed !== null, task.cpuMilli <= 8000 && task.gpuCount <= 2);
        if (placed === null) continue;
        assert.ok(placed.startSeconds >= task.createdAtSeconds);
        const beside = some.filter((other, at) => {
          const it = placements[at];
          if (it === null || it === undefined || it.placement.node !== placed.placement.node) return false;
          return it.startSeconds <= placed.startSeconds && placed.startSeconds < it.startSeconds + other.runSeconds;
        });
        const sum = (of: (task: TimedTask) => number) => beside.reduce((total, one) => total + of(one), 0);
        assert.ok(sum((one) => one.cpuMilli) <= 8000 && sum((one) => one.memoryMebibytes) <= 1000);
        assert.ok(sum((one) => one.gpuCount * one.gpuMilli) <= 2000);
      }
    }),
    { numRuns: 200 },
  );
});

test('what does not fit is passed over, and tried again as it came when something ends', () => {
  const task = (createdAtSeconds: number, runSeconds: number, gpuCount: number): TimedTask => {
    return { cpuMilli: 0, memoryMebibytes: 0, gpuCount, gpuMilli: 1000, gpuModels: [], createdAtSeconds, runSeconds };
  };
  const some = [task(0, 10, 1), task(1, 5, 2), task(2, 20, 1), task(3, 5, 1)];
  const { placements } = replayGpuClusterInTime({ nodes: GPU_NODES.slice(0, 1), tasks: some, policy: 'fgd', seed: 1 });
  assert.deepEqual(
    placements.map((placed) => placed?.startSeconds),
    [0, 22, 2, 10],
  );
});
