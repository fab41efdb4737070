import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { allocate, assertPpm, formatFog, MOST_MICRO_FOG, parseFog, portionOf } from '../src/amounts.ts';

const amounts = fc.bigInt({ min: 0n, max: MOST_MICRO_FOG });

describe('amounts', () => {
  test('property: what is allocated adds up, and nobody is a unit away from the exact share', () => {
    fc.assert(
      fc.property(amounts, fc.array(fc.bigInt({ min: 0n, max: 1n << 64n }), { minLength: 1 }), (amount, weights) => {
        const parts = allocate(amount, weights);
        const whole = weights.reduce((sum, weight) => sum + weight, 0n);
        const sum = parts.reduce((total, part) => total + part, 0n);
        assert.equal(sum, whole === 0n ? 0n : amount);
        parts.forEach((part, index) => {
          const exact = amount * (weights[index] ?? 0n);
          if (whole > 0n) assert.ok(part * whole < exact + whole && part * whole > exact - whole);
        });
      }),
    );
  });

  test('units that are left go to the largest remainders, among equals to the earlier', () => {
    assert.deepEqual(allocate(10n, [1n, 1n, 1n]), [4n, 3n, 3n]);
    assert.deepEqual(allocate(7n, [1n, 5n, 2n]), [1n, 4n, 2n]);
    assert.deepEqual(allocate(5n, [0n, 0n]), [0n, 0n]);
  });

  test('property: an amount that is written is read back', () => {
    fc.assert(fc.property(amounts, (amount) => assert.equal(parseFog(formatFog(amount)), amount)));
    assert.equal(parseFog('12.5'), 12_500_000n);
    assert.equal(formatFog(-1n), '-0.000001');
  });

  test('no amount of FOG', () => {
    const tooMuch = formatFog(MOST_MICRO_FOG + 1n);
    for (const text of ['', '-1', '1e3', '1.1234567', '01', '.5', '1.', ' 1', tooMuch])
      assert.throws(() => parseFog(text), { code: 'invalid-request' }, text);
  });

  test('portions are rounded down, and more than the whole is no share', () => {
    assert.equal(portionOf(99n, 50_000n), 4n);
    assert.equal(portionOf(MOST_MICRO_FOG, 1_000_000n), MOST_MICRO_FOG);
    assert.throws(() => assertPpm(1_000_001n, 'the fee'), { code: 'invalid-request', message: /fee is 1000001/ });
    assert.throws(() => assertPpm(-1n, 'the fee'), { code: 'invalid-request' });
    assert.throws(() => allocate(-1n, [1n]), { code: 'invalid-request' });
    assert.throws(() => allocate(1n, [-1n]), { code: 'invalid-request' });
  });
});
