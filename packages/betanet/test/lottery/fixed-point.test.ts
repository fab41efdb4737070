import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { log2, negativeLog2 } from '../../src/lottery/fixed-point.ts';

const ONE = 2 ** 64;

test('logarithms are right in every bit; the expected ones were computed with 60 decimal digits', () => {
  assert.equal(log2(3n), 29237397617229858719n);
  assert.equal(log2(10n), 61278757397652712441n);
  assert.equal(log2((1n << 255n) + 12345678901234567890n), 4703919738795935662080n);
  for (const power of [0n, 1n, 64n, 256n, 400n]) assert.equal(log2(1n << power), power << 64n);
  assert.throws(() => log2(0n), RangeError);
});

test('logarithms agree with those of the engine as far as those go, and never fall as numbers grow', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: (1n << 256n) - 1n }), (value) => {
      assert.ok(Math.abs(Number(log2(value)) / ONE - Math.log2(Number(value))) < 1e-9);
      assert.ok(log2(value + 1n) >= log2(value));
    }),
    { numRuns: 500 },
  );
});

test('a uniform number is never 0 or 1: its logarithm is above zero and finite', () => {
  assert.equal(negativeLog2(new Uint8Array(32)), 257n << 64n);
  // At the other end it is 1 - 2^-257, and -log2 of that is under what 64 bits can tell from zero.
  assert.equal(negativeLog2(new Uint8Array(32).fill(0xff)), 1n);
  assert.equal(Number(negativeLog2(new Uint8Array([0x7f, 0xff, 0xff]))) > ONE, true, 'just under a half');
  assert.equal(Number(negativeLog2(new Uint8Array([0x80, 0, 0]))) < ONE, true, 'just over a half');
});
