import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fragmentation, GPU_STRIDE, profileOf, remnantValues, shortfall } from '@fog/scheduler/packing';
import fc from 'fast-check';
import { share, taskShapes, whole } from './shapes-for-tests.ts';

const MODELS = ['A', 'B'];
const gpusOf = (...free: number[]) => Int32Array.from({ length: GPU_STRIDE }, (_, gpu) => free[gpu] ?? 0);
const withoutGpus = { cpuMilli: 1000, memoryMebibytes: 0, gpuCount: 0, gpuMilli: 0, gpuModels: [] };

test('a profile holds the frequent shapes, without memory, most frequent first', () => {
  const tasks = [...new Array(60).fill(share(500)), ...new Array(37).fill(whole(2)), ...new Array(3).fill(whole(8))];
  const varied = tasks.map((task, index) => ({ ...task, memoryMebibytes: index }));
  const profile = profileOf(varied);
  assert.deepEqual(
    profile.map(({ shape, share: part }) => [shape.gpuCount, part]),
    [
      [1, 60 / 97],
      [2, 37 / 97],
    ],
  );
  assert.deepEqual(profileOf([]), []);
});

test('fragmentation of a worked example', () => {
  // Of four tasks, one each: half a GPU, one GPU with 5 cores, two GPUs, none. The node has 700 + 1000 free, 4 cores.
  const measure = fragmentation(profileOf([share(500), whole(1, 5000), whole(2), withoutGpus]), MODELS);
  // Half a GPU can use all; no cores for the second; the third lacks a GPU; the last needs none.
  assert.equal(measure(4000, gpusOf(700, 1000), 0, 0), 0.75 * 1700);
  // With 5 cores the second can use the whole one.
  assert.equal(measure(5000, gpusOf(700, 1000), 0, 0), 0.5 * 1700 + 0.25 * 700);
  assert.equal(measure(5000, gpusOf(), 0, 0), 0);
});

test('what runs on other models only can use nothing', () => {
  const measure = fragmentation(profileOf([{ ...share(500), gpuModels: ['B'] }]), MODELS);
  assert.equal(measure(4000, gpusOf(700), 0, 0), 700);
  assert.equal(measure(4000, gpusOf(700), 0, 1), 0);
});

test('shortfall of a worked example', () => {
  const measure = shortfall(profileOf([share(400, 1000), whole(1, 3000), withoutGpus]), MODELS);
  // 400 fits five times into the GPUs, four times into the cores; a whole one once.
  assert.ok(Math.abs(measure(4000, gpusOf(1000, 1000, 500), 0, 0) - (2500 - (4 * 400 + 1000) / 2)) < 1e-9);
  assert.equal(measure(0, gpusOf(1000), 0, 0), 1000);
});

test('no more is wasted than is free, and no less than nothing', () => {
  const free = fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 8 });
  fc.assert(
    fc.property(taskShapes, free, fc.integer({ min: 0, max: 40_000 }), fc.nat(1), (tasks, gpus, cpuMilli, model) => {
      const profile = profileOf(tasks);
      const total = gpus.reduce((sum, milli) => sum + milli, 0);
      for (const measure of [fragmentation(profile, MODELS), shortfall(profile, MODELS)]) {
        const wasted = measure(cpuMilli, gpusOf(...gpus), 0, model);
        assert.ok(wasted >= -1e-6 && wasted <= total + 1e-6, `${wasted} of ${total}`);
      }
    }),
  );
});

test('values of remnants never fall with what is free, and are never more than it', () => {
  fc.assert(
    fc.property(taskShapes, (tasks) => {
      const values = remnantValues(profileOf(tasks));
      for (let free = 1; free <= 1000; free += 1) {
        assert.ok((values[free] as number) >= (values[free - 1] as number));
        assert.ok((values[free] as number) <= free);
      }
    }),
    { numRuns: 10 },
  );
});

test('a remnant is worth what fits into it', () => {
  const values = remnantValues(profileOf([share(470)]));
  assert.deepEqual(
    [1000, 940, 530, 470, 460].map((free) => Math.round(values[free] as number)),
    [940, 940, 470, 470, 0],
  );
  assert.equal(remnantValues(profileOf([withoutGpus]))[530], 530);
});

test('a remnant that only a rare task would fill is worth little', () => {
  const common = new Array(90).fill(share(800));
  const rare = remnantValues(profileOf([...common, ...new Array(10).fill(share(200))]));
  const frequent = remnantValues(profileOf([...common, ...new Array(200).fill(share(200))]));
  assert.ok((rare[200] as number) < 50, `${rare[200]}`);
  assert.ok((frequent[200] as number) > 100, `${frequent[200]}`);
});
