/**
 * Logarithm and powers from additions and multiplications alone, so that the operators give the same bytes wherever they
 * run: what `Math.pow` returns in the last digit is left to each engine.
 *
 * Both go by tables of 128 entries and a short series for the rest; the relative error is below 1e-15 times the size of
 * the exponent.
 */

const STEPS = 128;
const STEP_BITS = 7;
const MANTISSA_BITS = 20;
const EXPONENT_BIAS = 1023;
/** Powers of two that the table holds, either way. Beyond them a result is 0 or infinite. */
const WIDEST_EXPONENT = 1000;

const word = new Float64Array(1);
const halves = new Uint32Array(word.buffer);
/** Where the half with sign and exponent lies. */
const UPPER = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0;

const powersOfTwo = powers();
const rootsOfTwo = roots();
const inverses = new Float64Array(STEPS);
const logarithms = new Float64Array(STEPS);
fillLogarithms();

/** The logarithm to base 2 of a number from 2^-1000 to 2^1000. */
export function log2(value: number): number {
  word[0] = value;
  const upper = halves[UPPER] as number;
  const exponent = (upper >>> MANTISSA_BITS) - EXPONENT_BIAS;
  const step = (upper >>> (MANTISSA_BITS - STEP_BITS)) & (STEPS - 1);
  const mantissa = value * (powersOfTwo[WIDEST_EXPONENT + 1 - exponent] as number);
  const rest = mantissa * (inverses[step] as number) - 1;
  return exponent + (logarithms[step] as number) + seriesOfLogarithm(rest) * Math.LOG2E;
}

/** 2 to the power of `exponent`. */
export function exp2(exponent: number): number {
  if (exponent > WIDEST_EXPONENT) return Number.POSITIVE_INFINITY;
  if (exponent < -WIDEST_EXPONENT) return 0;
  const steps = Math.floor(exponent * STEPS + 0.5);
  const rest = (exponent - steps / STEPS) * Math.LN2;
  const scale =
    (powersOfTwo[(steps >> STEP_BITS) + WIDEST_EXPONENT + 1] as number) * (rootsOfTwo[steps & (STEPS - 1)] as number);
  return scale * (1 + rest * (1 + rest * (1 / 2 + rest * (1 / 6 + rest * (1 / 24 + rest * (1 / 120))))));
}

/** `base` (0, or from 2^-1000 to 2^1000) to the power of `exponent`, which is not 0. */
export function power(base: number, exponent: number): number {
  if (base === 0) return exponent > 0 ? 0 : Number.POSITIVE_INFINITY;
  return exp2(log2(base) * exponent);
}

/** ln(1 + x) for |x| below 1/128. */
function seriesOfLogarithm(x: number): number {
  return x * (1 + x * (-1 / 2 + x * (1 / 3 + x * (-1 / 4 + x * (1 / 5 + x * (-1 / 6 + x * (1 / 7)))))));
}

function powers(): Float64Array {
  const table = new Float64Array(2 * WIDEST_EXPONENT + 3);
  const middle = WIDEST_EXPONENT + 1;
  table[middle] = 1;
  for (let at = 1; at <= middle; at += 1) {
    table[middle + at] = (table[middle + at - 1] as number) * 2;
    table[middle - at] = (table[middle - at + 1] as number) / 2;
  }
  return table;
}

/** 2 to the power of step / 128, by the series of the exponential function. */
function roots(): Float64Array {
  return Float64Array.from({ length: STEPS }, (_, step) => {
    const x = (step / STEPS) * Math.LN2;
    let sum = 0;
    for (let term = 24; term >= 1; term -= 1) sum = ((1 + sum) * x) / term;
    return 1 + sum;
  });
}

/** For the middle of each step its inverse, and the logarithm of that inverse's inverse. */
function fillLogarithms(): void {
  for (let step = 0; step < STEPS; step += 1) {
    const inverse = step === 0 ? 1 : 1 / (1 + (step + 0.5) / STEPS);
    inverses[step] = inverse;
    logarithms[step] = -naturalLogarithm(inverse) * Math.LOG2E;
  }
}

/** Of a number from 1/2 to 1, by the series of the inverse hyperbolic tangent. */
function naturalLogarithm(value: number): number {
  const ratio = (value - 1) / (value + 1);
  let sum = 0;
  for (let term = 41; term >= 1; term -= 2) sum = sum * ratio * ratio + 1 / term;
  return 2 * ratio * sum;
}
