/** exp, expm1, log, log1p, log2, log10, cbrt. Source: fdlibm e_exp, s_expm1, e_log, s_log1p, s_cbrt, e_log2, e_log10. */
import {
  fromWords,
  highPart,
  highWord,
  isNaNValue,
  lowWord,
  scaleByPowerOfTwo,
  twoToThe,
  withHighWord,
} from './math-words.js';

const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const INVERSE_LN2 = Math.LOG2E;
const TWO_54 = 18014398509481984;

/** e^x. Error below 1 ulp. */
export function exp(x) {
  if (isNaNValue(x)) return x;
  if (x > 709.782712893384) return Infinity;
  if (x < -745.1332191019411) return 0;
  if (x === 1) return Math.E;
  const high = highWord(x);
  const magnitude = high & 0x7fffffff;
  let hi = 0;
  let lo = 0;
  let k = 0;
  let r = x;
  if (magnitude > 0x3fd62e42) {
    // |x| > 0.5 ln 2
    if (magnitude < 0x3ff0a2b2) {
      // |x| < 1.5 ln 2
      k = high < 0 ? -1 : 1;
      hi = x - k * LN2_HIGH;
      lo = k * LN2_LOW;
    } else {
      k = (INVERSE_LN2 * x + (high < 0 ? -0.5 : 0.5)) | 0;
      hi = x - k * LN2_HIGH;
      lo = k * LN2_LOW;
    }
    r = hi - lo;
  } else if (magnitude < 0x3e300000) {
    return 1 + x;
  }
  const t = r * r;
  const c =
    r -
    t *
      (0.16666666666666602 +
        t *
          (-0.0027777777777015593 +
            t * (6.613756321437934e-5 + t * (-1.6533902205465252e-6 + t * 4.1381367970572385e-8))));
  if (k === 0) return 1 - ((r * c) / (c - 2) - r);
  const y = 1 - (lo - (r * c) / (2 - c) - hi);
  return scaleByPowerOfTwo(y, k);
}

/** e^x - 1, exact near 0. Error below 1 ulp. */
export function expm1(x) {
  if (isNaNValue(x)) return x;
  const high = highWord(x);
  const magnitude = high & 0x7fffffff;
  if (magnitude >= 0x4043687a) {
    // |x| >= 56 ln 2
    if (x > 709.782712893384) return Infinity;
    if (x < 0) return -1;
  }
  let r = x;
  let c = 0;
  let k = 0;
  if (magnitude > 0x3fd62e42) {
    let hi;
    let lo;
    if (magnitude < 0x3ff0a2b2) {
      k = high < 0 ? -1 : 1;
      hi = x - k * LN2_HIGH;
      lo = k * LN2_LOW;
    } else {
      k = (INVERSE_LN2 * x + (high < 0 ? -0.5 : 0.5)) | 0;
      hi = x - k * LN2_HIGH;
      lo = k * LN2_LOW;
    }
    r = hi - lo;
    c = hi - r - lo;
  } else if (magnitude < 0x3c900000) {
    return x;
  }
  const half = 0.5 * r;
  const z = r * half;
  const r1 =
    1 +
    z *
      (-0.03333333333333313 +
        z *
          (0.0015873015872548146 +
            z * (-7.93650757867488e-5 + z * (4.008217827329362e-6 + z * -2.0109921818362437e-7))));
  let t = 3 - r1 * half;
  let e = z * ((r1 - t) / (6 - r * t));
  if (k === 0) return r - (r * e - z);
  e = r * (e - c) - c;
  e -= z;
  if (k === -1) return 0.5 * (r - e) - 0.5;
  if (k === 1) return r < -0.25 ? -2 * (e - (r + 0.5)) : 1 + 2 * (r - e);
  if (k <= -2 || k > 56) return scaleByPowerOfTwo(1 - (e - r), k) - 1;
  if (k < 20) {
    t = fromWords(0x3ff00000 - (0x200000 >> k), 0); // 1 - 2^-k
    return scaleByPowerOfTwo(t - (e - r), k);
  }
  t = fromWords((0x3ff - k) << 20, 0); // 2^-k
  return scaleByPowerOfTwo(r - (e + t) + 1, k);
}

/** The polynomial that all logarithms share: log(1+f) - f + f*f/2, with s = f / (2 + f). */
function logarithmSeries(s) {
  const z = s * s;
  const w = z * z;
  const even = w * (0.3999999999940942 + w * (0.22222198432149784 + w * 0.15313837699209373));
  const odd = z * (0.6666666666666735 + w * (0.2857142874366239 + w * (0.1818357216161805 + w * 0.14798198605116586)));
  return odd + even;
}

/** Natural logarithm. Error below 1 ulp. */
export function log(x) {
  if (isNaNValue(x) || x < 0) return NaN;
  if (x === 0) return -Infinity;
  if (x === Infinity) return x;
  let value = x;
  let high = highWord(value);
  let prescale = 0;
  if (high < 0x00100000) {
    prescale = -54;
    value *= TWO_54;
    high = highWord(value);
  }
  let exponent = (high >> 20) - 1023;
  high &= 0x000fffff;
  const i = (high + 0x95f64) & 0x100000;
  exponent += i >> 20;
  const f = value * twoToThe(-exponent) - 1;
  const k = exponent + prescale;
  if ((0x000fffff & (2 + high)) < 3) {
    // |f| < 2^-20
    if (f === 0) return k === 0 ? 0 : k * LN2_HIGH + k * LN2_LOW;
    const r = f * f * (0.5 - 0.3333333333333333 * f);
    return k === 0 ? f - r : k * LN2_HIGH - (r - k * LN2_LOW - f);
  }
  const s = f / (2 + f);
  const series = logarithmSeries(s);
  if (((high - 0x6147a) | (0x6b851 - high)) > 0) {
    const half = 0.5 * f * f;
    if (k === 0) return f - (half - s * (half + series));
    return k * LN2_HIGH - (half - (s * (half + series) + k * LN2_LOW) - f);
  }
  if (k === 0) return f - s * (f - series);
  return k * LN2_HIGH - (s * (f - series) - k * LN2_LOW - f);
}

/** log(1 + x), exact near 0. Error below 1 ulp. */
export function log1p(x) {
  if (isNaNValue(x) || x < -1) return NaN;
  if (x === -1) return -Infinity;
  if (x === Infinity) return x;
  const high = highWord(x);
  const magnitude = high & 0x7fffffff;
  let k = 1;
  let f = 0;
  let c = 0;
  let significand = 1;
  if (high < 0x3fda827a) {
    // 1 + x < sqrt(2)
    if (magnitude < 0x3e200000) return magnitude < 0x3c900000 ? x : x - x * x * 0.5;
    if (high > 0 || high <= (0xbfd2bec4 | 0)) {
      // sqrt(2)/2 - 1 < x
      k = 0;
      f = x;
      significand = 1;
    }
  }
  if (k !== 0) {
    let u;
    if (high < 0x43400000) {
      u = 1 + x;
      significand = highWord(u);
      k = (significand >> 20) - 1023;
      c = k > 0 ? 1 - (u - x) : x - (u - 1);
      c /= u;
    } else {
      u = x;
      significand = highWord(u);
      k = (significand >> 20) - 1023;
      c = 0;
    }
    significand &= 0x000fffff;
    if (significand < 0x6a09e) {
      u = withHighWord(u, significand | 0x3ff00000);
    } else {
      k += 1;
      u = withHighWord(u, significand | 0x3fe00000);
      significand = (0x00100000 - significand) >> 2;
    }
    f = u - 1;
  }
  const half = 0.5 * f * f;
  if (significand === 0) {
    // |f| < 2^-20
    if (f === 0) return k === 0 ? 0 : k * LN2_HIGH + (c + k * LN2_LOW);
    const r = half * (1 - 0.6666666666666666 * f);
    return k === 0 ? f - r : k * LN2_HIGH - (r - (k * LN2_LOW + c) - f);
  }
  const s = f / (2 + f);
  const series = logarithmSeries(s);
  if (k === 0) return f - (half - s * (half + series));
  return k * LN2_HIGH - (half - (s * (half + series) + (k * LN2_LOW + c)) - f);
}

/** x = 2^k * (1 + f) with 1 + f in [sqrt(2)/2, sqrt(2)); for log2 and log10. */
function splitForLogarithm(x) {
  let value = x;
  let high = highWord(value);
  let k = 0;
  if (high < 0x00100000) {
    k = -54;
    value *= TWO_54;
    high = highWord(value);
  }
  k += (high >> 20) - 1023;
  high &= 0x000fffff;
  const i = (high + 0x95f64) & 0x100000;
  return { f: withHighWord(value, high | (i ^ 0x3ff00000)) - 1, k: k + (i >> 20) };
}

/** Logarithm to base 2; exact for powers of two. */
export function log2(x) {
  if (isNaNValue(x) || x < 0) return NaN;
  if (x === 0) return -Infinity;
  if (x === Infinity) return x;
  if (x === 1) return 0;
  const { f, k } = splitForLogarithm(x);
  if (f === 0) return k;
  const half = 0.5 * f * f;
  const s = f / (2 + f);
  const r = s * (half + logarithmSeries(s));
  const hi = highPart(f - half);
  const lo = f - hi - half + r;
  const valueHigh = hi * 1.4426950407214463;
  const valueLow = (lo + hi) * 1.6751713164886512e-10 + lo * 1.4426950407214463;
  const w = k + valueHigh;
  return valueLow + (k - w + valueHigh) + w;
}

/** Logarithm to base 10; exact for powers of ten up to 10^22. */
export function log10(x) {
  if (isNaNValue(x) || x < 0) return NaN;
  if (x === 0) return -Infinity;
  if (x === Infinity) return x;
  if (x === 1) return 0;
  const { f, k } = splitForLogarithm(x);
  const half = 0.5 * f * f;
  const s = f / (2 + f);
  const r = s * (half + logarithmSeries(s));
  const hi = highPart(f - half);
  const lo = f - hi - half + r;
  const valueHigh = hi * 0.4342944818781689;
  const y2 = k * 0.30102999566361177;
  const valueLow = k * 3.694239077158931e-13 + (lo + hi) * 2.5082946711645275e-11 + lo * 0.4342944818781689;
  const w = y2 + valueHigh;
  return valueLow + (y2 - w + valueHigh) + w;
}

/** Cube root. Error below 0.67 ulp. */
export function cbrt(x) {
  let high = highWord(x) & 0x7fffffff;
  if (high >= 0x7ff00000) return x + x;
  let t;
  if (high < 0x00100000) {
    if ((high | lowWord(x)) === 0) return x;
    high = highWord(x * TWO_54) & 0x7fffffff;
    t = fromWords(((high / 3) | 0) + 696219795, 0);
  } else {
    t = fromWords(((high / 3) | 0) + 715094163, 0);
  }
  if (x < 0) t = -t;
  const r = t * t * (t / x);
  t *=
    1.87595182427177 +
    r * (-1.8849797954337717 + r * 1.6214297201053545) +
    r * r * r * (-0.758397934778766 + r * 0.14599619288661245);
  // Rounds t to 23 bits away from zero, so that t * t is exact.
  const low = lowWord(t) + 0x80000000;
  t = fromWords(highWord(t) + (low >= 4294967296 ? 1 : 0), low & 0xc0000000);
  const s = t * t;
  const quotient = x / s;
  return t + t * ((quotient - t) / (t + t + quotient));
}
