/** Nodes and tasks that property tests draw. */
import type { NodeShape, TaskShape } from '@fog/scheduler/packing';
import fc from 'fast-check';

export const nodeShapes: fc.Arbitrary<NodeShape[]> = fc.array(
  fc
    .record({
      cpuMilli: fc.integer({ min: 0, max: 32_000 }),
      memoryMebibytes: fc.integer({ min: 0, max: 1000 }),
      gpuCount: fc.integer({ min: 0, max: 4 }),
      gpuModel: fc.constantFrom('A', 'B'),
    })
    .map((shape) => ({ ...shape, name: 'node' })),
  { minLength: 1, maxLength: 6 },
);

const gpus = fc.oneof(
  fc.constant({ gpuCount: 0, gpuMilli: 0, gpuModels: [] }),
  fc.record({
    gpuCount: fc.constant(1),
    gpuMilli: fc.constantFrom(200, 330, 500, 810, 1000),
    gpuModels: fc.constantFrom<string[]>([], ['A'], ['B', 'A']),
  }),
  fc.record({
    gpuCount: fc.integer({ min: 2, max: 4 }),
    gpuMilli: fc.constant(1000),
    gpuModels: fc.constantFrom<string[]>([], ['B']),
  }),
);

export const taskShapes: fc.Arbitrary<TaskShape[]> = fc.array(
  fc
    .tuple(fc.constantFrom(0, 1000, 4000, 9000), fc.constantFrom(0, 64, 300), gpus)
    .map(([cpuMilli, memoryMebibytes, demand]) => ({ cpuMilli, memoryMebibytes, ...demand })),
  { minLength: 1, maxLength: 60 },
);

export const gpuNode = (gpuCount: number, cpuMilli = 96_000, gpuModel = 'G2'): NodeShape => ({
  name: 'node',
  cpuMilli,
  memoryMebibytes: 1 << 20,
  gpuCount,
  gpuModel,
});

/** A task with one GPU or a share of it. */
export const share = (gpuMilli: number, cpuMilli = 1000): TaskShape => ({
  cpuMilli,
  memoryMebibytes: 0,
  gpuCount: 1,
  gpuMilli,
  gpuModels: [],
});

export const whole = (gpuCount: number, cpuMilli = 1000): TaskShape => ({
  cpuMilli,
  memoryMebibytes: 0,
  gpuCount,
  gpuMilli: 1000,
  gpuModels: [],
});
