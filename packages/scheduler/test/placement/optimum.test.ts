/** Batches beside the exact optimum, which an integer program of the same instance finds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OBJECTIVES, type ObjectiveName, optimiseBatch } from '../../src/placement/index.ts';
import { exactOptimum, tightInstance } from './exact-optimum.ts';
import { NOW } from './small-fog.ts';

const CLOSE = 1.02;

for (const name of OBJECTIVES) {
  test(`batch: ${name} within 2 % of the optimum on small tight instances`, async () => {
    for (let seed = 1; seed <= 4; seed += 1) {
      const small = tightInstance(seed);
      const best = exactOptimum(name, small);
      const request = { ...small, now: NOW, pick: { by: 'knee' } } as const;
      const { front, plan } = await optimiseBatch({ ...request, objectives: [name] }, { seed, generations: 200 });
      const value = front.points[0]?.values[0] as number;
      assert.equal(plan.left.length, 0);
      assert.ok(value >= best * (1 - 1e-6), `seed ${seed}: ${value} would be better than the optimum ${best}`);
      assert.ok(value <= best * CLOSE, `seed ${seed}: ${value}, and the optimum is ${best}`);
    }
  });
}

test('batch: each end of a front of three objectives within 2 % of the optimum', async () => {
  const small = tightInstance(9);
  const objectives: ObjectiveName[] = ['completionTime', 'cost', 'failureRisk'];
  const { front } = await optimiseBatch(
    { ...small, objectives, now: NOW, pick: { by: 'knee' } },
    { seed: 1, generations: 300 },
  );
  objectives.forEach((name, at) => {
    const value = Math.min(...front.points.map(({ values }) => values[at] as number));
    const best = exactOptimum(name, small);
    assert.ok(value <= best * CLOSE, `${name}: ${value}, and the optimum is ${best}`);
  });
});

test('batch: one round without a find is not the end: fairness of an instance that takes several', async () => {
  const small = tightInstance(38);
  const request = { ...small, objectives: ['fairness'], now: NOW, pick: { by: 'knee' } } as const;
  const { front } = await optimiseBatch(request, { seed: 38, generations: 200 });
  assert.ok((front.points[0]?.values[0] as number) <= exactOptimum('fairness', small) * CLOSE);
});
