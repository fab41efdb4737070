/** That the cases of F1 can fail. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Check } from '../vector-shape.ts';
import { f1Checks } from './f1-distribution.ts';

const GOOD = {
  name: 'two of them, and a withdrawal',
  self: 100,
  steps: [
    ['slash', 0.5, 100],
    ['delegate', 'del2', 100],
    ['alloc', 30],
    ['withdraw', 'del1'],
    ['alloc', 30],
    ['undelegate', 'del2', 100],
    ['withdraw_commission'],
  ],
  expect: { del1: '5 (= 30/6)', del2: 20, commission: '0' },
};

function checksOf(...scenarios: unknown[]): Check[] {
  const content = Buffer.from(JSON.stringify({ note: 'a file', scenarios, invariants: [] }));
  return f1Checks({ path: 'econ/f1.json', content, sibling: async () => null });
}

test('a scenario passes with the right figures, and fails with others', () => {
  for (const { run } of checksOf(GOOD)) run();
  for (const expect of [{ del1: '6' }, { del2: '20.1' }, { commission: 1 }, { del3: '0' }, { del1: 'five' }]) {
    for (const { run } of checksOf({ ...GOOD, expect })) assert.throws(run, JSON.stringify(expect));
  }
});

test('an unknown step or shape is a failure', () => {
  assert.throws(() => checksOf({ ...GOOD, steps: [['burn', 5]] }), /unknown shape/);
  assert.throws(() => checksOf({ ...GOOD, steps: [['slash', 1.5, 5]] }), /unknown shape/);
  assert.throws(() => checksOf({ ...GOOD, self_power: 100 }), /the stake of del1/);
  assert.throws(() => checksOf({ ...GOOD, more: 1 }), /unknown shape/);
});
