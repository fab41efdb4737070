import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verificationPolicySchema } from '../src/index.ts';

test('policy: defaults, and what is refused', () => {
  assert.deepEqual(verificationPolicySchema.parse({}), {
    mode: 'adaptive',
    quorum: 2,
    maxReplicas: 5,
    compare: 'exact',
    spotChecks: 0.02,
  });
  const tolerance = verificationPolicySchema.parse({ compare: { tolerance: { absolute: 1 } }, trust: 0.999 });
  assert.deepEqual(tolerance.compare, { tolerance: { absolute: 1, relative: 0 } });
  const refused = [
    { mode: 'sometimes' },
    { quorum: 1 },
    { quorum: 4, maxReplicas: 3 },
    { maxReplicas: 16 },
    { trust: 1 },
    { trust: 0 },
    { spotChecks: 0.6 },
    { compare: { script: 'compare.js' } },
    { compare: { tolerance: { relative: 1 } } },
    { compare: { tolerance: { absolute: -1 } } },
    { replicas: 2 },
  ];
  for (const block of refused) assert.ok(!verificationPolicySchema.safeParse(block).success, JSON.stringify(block));
});
