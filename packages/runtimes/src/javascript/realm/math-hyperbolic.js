/** sinh, cosh, tanh, asinh, acosh, atanh. Source: fdlibm e_sinh, e_cosh, s_tanh, s_asinh, e_acosh, e_atanh. */

import { exp, expm1, log, log1p } from './math-exponential.js';
import { isNaNValue } from './math-words.js';

const root = Math.sqrt;
const LN2 = Math.LN2;
const TWO_28 = 268435456;
/** exp overflows above this, sinh and cosh only a little later. */
const EXP_LIMIT = 709.782712893384;
const HYPERBOLIC_LIMIT = 710.4758600739439;

export function sinh(x) {
  if (isNaNValue(x) || x === Infinity || x === -Infinity) return x;
  const half = x < 0 ? -0.5 : 0.5;
  const absolute = x < 0 ? -x : x;
  if (absolute < 22) {
    if (absolute < 1 / TWO_28) return x;
    const t = expm1(absolute);
    if (absolute < 1) return half * (2 * t - (t * t) / (t + 1));
    return half * (t + t / (t + 1));
  }
  if (absolute < EXP_LIMIT) return half * exp(absolute);
  if (absolute <= HYPERBOLIC_LIMIT) {
    const w = exp(0.5 * absolute);
    return half * w * w;
  }
  return x * Infinity;
}

export function cosh(x) {
  if (isNaNValue(x)) return x;
  const absolute = x < 0 ? -x : x;
  if (absolute < 22) {
    if (absolute < 0.5 * LN2) {
      const t = expm1(absolute);
      const w = 1 + t;
      return absolute < 2.7755575615628914e-17 ? 1 : 1 + (t * t) / (w + w);
    }
    const t = exp(absolute);
    return 0.5 * t + 0.5 / t;
  }
  if (absolute < EXP_LIMIT) return 0.5 * exp(absolute);
  if (absolute <= HYPERBOLIC_LIMIT) {
    const w = exp(0.5 * absolute);
    return 0.5 * w * w;
  }
  return Infinity;
}

export function tanh(x) {
  if (isNaNValue(x)) return x;
  const absolute = x < 0 ? -x : x;
  let z = 1;
  if (absolute < 22) {
    if (absolute < 1 / TWO_28) return x;
    if (absolute >= 1) {
      z = 1 - 2 / (expm1(2 * absolute) + 2);
    } else {
      const t = expm1(-2 * absolute);
      z = -t / (t + 2);
    }
  }
  return x < 0 ? -z : z;
}

export function asinh(x) {
  if (isNaNValue(x) || x === Infinity || x === -Infinity) return x;
  const absolute = x < 0 ? -x : x;
  if (absolute < 1 / TWO_28) return x;
  let w;
  if (absolute > TWO_28) {
    w = log(absolute) + LN2;
  } else if (absolute > 2) {
    w = log(2 * absolute + 1 / (root(x * x + 1) + absolute));
  } else {
    const t = x * x;
    w = log1p(absolute + t / (1 + root(1 + t)));
  }
  return x > 0 ? w : -w;
}

export function acosh(x) {
  if (!(x >= 1)) return NaN;
  if (x > TWO_28) return x === Infinity ? x : log(x) + LN2;
  if (x === 1) return 0;
  if (x > 2) return log(2 * x - 1 / (x + root(x * x - 1)));
  const t = x - 1;
  return log1p(t + root(2 * t + t * t));
}

export function atanh(x) {
  const absolute = x < 0 ? -x : x;
  if (!(absolute <= 1)) return NaN;
  if (absolute === 1) return x / 0;
  if (absolute < 1 / TWO_28) return x;
  let t;
  if (absolute < 0.5) {
    t = absolute + absolute;
    t = 0.5 * log1p(t + (t * absolute) / (1 - absolute));
  } else {
    t = 0.5 * log1p((absolute + absolute) / (1 - absolute));
  }
  return x < 0 ? -t : t;
}
