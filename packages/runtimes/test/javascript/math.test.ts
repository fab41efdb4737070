/** The own Math: accurate against Node's, exact where the language is exact. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';

const SEED = 1_764_000_000;
const REALM = new URL('../../src/javascript/realm/', import.meta.url);

type Unary = (x: number) => number;
const unary: Record<string, Unary> = {};
for (const file of ['math-exponential', 'math-trigonometry', 'math-hyperbolic']) {
  Object.assign(unary, await import(new URL(`${file}.js`, REALM).href));
}
const { pow, hypot }: { pow: (x: number, y: number) => number; hypot: (values: number[]) => number } = await import(
  new URL('math-power.js', REALM).href
);

const cell = new DataView(new ArrayBuffer(8));
function order(x: number): bigint {
  cell.setFloat64(0, x);
  const bits = cell.getBigInt64(0);
  return bits < 0n ? -(bits & 0x7fffffffffffffffn) : bits;
}
/** Doubles between two results; 0 when they are the same, NaN included. */
function distance(a: number, b: number): number {
  if (Object.is(a, b)) return 0;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.POSITIVE_INFINITY;
  const difference = order(a) - order(b);
  return Number(difference < 0n ? -difference : difference);
}

const argument = fc.oneof(
  fc.double(),
  fc.double({ min: -1, max: 1, noNaN: true }),
  fc.double({ min: -50, max: 50, noNaN: true }),
  fc.double({ min: -800, max: 800, noNaN: true }),
  fc.double({ min: 0.9, max: 1.1, noNaN: true }),
);

/** Node's own functions are within 1 ulp of the truth, except log10 with up to 1.5. */
const ALLOWED: Record<string, number> = { log10: 2 };
const NAMES = ['sin', 'cos', 'tan', 'asin', 'acos', 'atan', 'sinh', 'cosh', 'tanh', 'asinh', 'acosh', 'atanh'].concat([
  'exp',
  'expm1',
  'log',
  'log1p',
  'log2',
  'log10',
  'cbrt',
]);

describe('javascript: Math', () => {
  for (const name of NAMES) {
    it(`${name} lies within ${ALLOWED[name] ?? 1} ulp of Node's`, () => {
      const own = unary[name];
      const reference = Reflect.get(Math, name) as Unary;
      assert.ok(own !== undefined);
      fc.assert(
        fc.property(argument, (x) => distance(own(x), reference(x)) <= (ALLOWED[name] ?? 1)),
        { seed: SEED, numRuns: 3000 },
      );
      for (const x of [0, -0, 1, -1, Number.NaN, Infinity, -Infinity, 5e-324, -5e-324, 1e308, 710, -746, 2 ** 53]) {
        assert.ok(distance(own(x), reference(x)) <= (ALLOWED[name] ?? 1), `${name}(${x}) = ${own(x)}`);
      }
    });
  }

  it('log2 and log10 are exact for powers', () => {
    for (let exponent = -1074; exponent < 1024; exponent += 1) assert.equal(unary.log2?.(2 ** exponent), exponent);
    for (let exponent = 0; exponent <= 22; exponent += 1)
      assert.equal(unary.log10?.(Number(`1e${exponent}`)), exponent);
  });

  it('atan2 agrees with Node', () => {
    const atan2 = unary.atan2 as unknown as (y: number, x: number) => number;
    fc.assert(
      fc.property(argument, argument, (y, x) => distance(atan2(y, x), Math.atan2(y, x)) <= 1),
      { seed: SEED, numRuns: 5000 },
    );
    const corners = [0, -0, 1, -1, Infinity, -Infinity, Number.NaN];
    for (const y of corners) for (const x of corners) assert.ok(Object.is(atan2(y, x), Math.atan2(y, x)), `${y} ${x}`);
  });

  it('pow has the special cases of the language', () => {
    const corners = [
      0,
      -0,
      1,
      -1,
      0.5,
      -0.5,
      2,
      -2,
      3,
      -3,
      4,
      1e10,
      Infinity,
      -Infinity,
      Number.NaN,
      5e-324,
      2 ** 53,
      -(2 ** 53) - 2,
      1e300,
    ];
    for (const x of corners) {
      for (const y of corners) {
        const own = pow(x, y);
        const reference = x ** y;
        assert.ok(distance(own, reference) <= 2, `${x} ** ${y} = ${own}, not ${reference}`);
      }
    }
  });

  it('pow lies within 1.5 ulp of the exact power of whole exponents', () => {
    // x = m * 2^e exactly, so x^n is a whole number times a power of two.
    const base = fc.integer({ min: 2, max: 2 ** 20 });
    fc.assert(
      fc.property(
        base,
        fc.integer({ min: 1, max: 50 }),
        (x, n) => distance(pow(x, n), Number(BigInt(x) ** BigInt(n))) <= 1,
      ),
      { seed: SEED, numRuns: 3000 },
    );
  });

  it('pow agrees with exp and log where those are accurate, and with itself', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-5, max: 1e5, noNaN: true }),
        fc.double({ min: -20, max: 20, noNaN: true }),
        (x, y) => {
          const product = pow(x, y) * pow(x, -y);
          return (
            Math.abs(product - 1) < 1e-15 * 4 &&
            Math.abs(Math.log(pow(x, y)) - y * Math.log(x)) < 1e-12 * (1 + Math.abs(y))
          );
        },
      ),
      { seed: SEED, numRuns: 5000 },
    );
  });

  it('hypot does not overflow and agrees with Node', () => {
    assert.equal(hypot([3, 4]), 5);
    assert.equal(hypot([]), 0);
    assert.equal(hypot([Number.NaN, Infinity]), Infinity);
    assert.ok(distance(hypot([1e308, 1e308]), Math.hypot(1e308, 1e308)) <= 1);
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true }), { maxLength: 5 }),
        (values) => distance(hypot(values), Math.hypot(...values)) <= 2,
      ),
      { seed: SEED, numRuns: 3000 },
    );
  });
});
