/** pow and hypot, and what `**` is turned into. Source: fdlibm e_pow. */
import { highWord, isNaNValue, leadingHalf, lowWord, scaleByPowerOfTwo, twoToThe } from './math-words.js';

const squareRoot = Math.sqrt;
const floor = Math.floor;
const sameValue = Object.is;
const BREAKPOINT_LOG2_HIGH = 0.5849624872207642;
const BREAKPOINT_LOG2_LOW = 1.350039202129749e-8;
const TWO_53 = 9007199254740992;

/** The second half of what the two functions below return. An object for each call would be garbage, and so would a number. */
const logarithmLow = new Float64Array(1);

/** 0: y is no integer, 1: odd, 2: even. */
function integerKind(y) {
  const magnitude = y < 0 ? -y : y;
  if (magnitude >= TWO_53) return 2;
  if (magnitude !== floor(magnitude)) return 0;
  return magnitude % 2 === 1 ? 1 : 2;
}

/** log2(ax) as the result + logarithmLow, for ax near 1: |1 - ax| < 2^-20. */
function log2NearOne(ax) {
  const t = ax - 1;
  const w = t * t * (0.5 - t * (0.3333333333333333 - t * 0.25));
  const u = 1.4426950216293335 * t;
  const v = t * 1.9259629911266175e-8 - w * Math.LOG2E;
  const high = leadingHalf(u + v);
  logarithmLow[0] = v - (high - u);
  return high;
}

/** log2(ax) as the result + logarithmLow, with about 20 extra bits. */
function log2Extended(absolute) {
  let ax = absolute;
  let prescale = 0;
  let ix = highWord(ax);
  if (ix < 0x00100000) {
    ax *= TWO_53;
    prescale = -53;
    ix = highWord(ax);
  }
  let exponent = (ix >> 20) - 0x3ff;
  const j = ix & 0x000fffff;
  let k = 0;
  if (j > 0x3988e) {
    if (j < 0xbb67a) k = 1;
    else exponent += 1;
  }
  ax *= twoToThe(-exponent);
  const n = exponent + prescale;
  const bp = k === 0 ? 1 : 1.5;
  let u = ax - bp;
  let v = 1 / (ax + bp);
  const ss = u * v;
  const sHigh = leadingHalf(ss);
  let tHigh = leadingHalf(ax + bp);
  let tLow = ax - (tHigh - bp);
  const sLow = v * (u - sHigh * tHigh - sHigh * tLow);
  const s2 = ss * ss;
  let r =
    s2 *
    s2 *
    (0.5999999999999946 +
      s2 *
        (0.4285714285785502 +
          s2 *
            (0.33333332981837743 + s2 * (0.272728123808534 + s2 * (0.23066074577556175 + s2 * 0.20697501780033842)))));
  r += sLow * (sHigh + ss);
  const sHigh2 = sHigh * sHigh;
  tHigh = leadingHalf(3 + sHigh2 + r);
  tLow = r - (tHigh - 3 - sHigh2);
  u = sHigh * tHigh;
  v = sLow * tHigh + tLow * ss;
  const pHigh = leadingHalf(u + v);
  const pLow = v - (pHigh - u);
  const zHigh = 0.9617967009544373 * pHigh;
  const zLow = -7.028461650952758e-9 * pHigh + pLow * 0.9617966939259756 + k * BREAKPOINT_LOG2_LOW;
  const high = leadingHalf(zHigh + zLow + k * BREAKPOINT_LOG2_HIGH + n);
  logarithmLow[0] = zLow - (high - n - k * BREAKPOINT_LOG2_HIGH - zHigh);
  return high;
}

/** sign * 2^(pHigh + pLow), where pHigh has its low word cleared. */
function exp2Extended(sign, pHighGiven, pLow) {
  let pHigh = pHighGiven;
  let z = pLow + pHigh;
  const j = highWord(z);
  const low = lowWord(z);
  if (j >= 0x40900000) {
    if (j !== 0x40900000 || low !== 0 || pLow + 8.008566259537294e-17 > z - pHigh) return sign * Infinity;
  } else if ((j & 0x7fffffff) >= 0x4090cc00) {
    if (j !== (0xc090cc00 | 0) || low !== 0 || pLow <= z - pHigh) return sign * 0;
  }
  let n = 0;
  if (z > 0.5 || z < -0.5) {
    n = z < 0 ? -floor(0.5 - z) : floor(z + 0.5);
    pHigh -= n;
  }
  const t = leadingHalf(pLow + pHigh);
  const u = t * 0.6931471824645996;
  const v = (pLow - (t - pHigh)) * Math.LN2 + t * -1.904654299957768e-9;
  z = u + v;
  const w = v - (z - u);
  const square = z * z;
  const t1 =
    z -
    square *
      (0.16666666666666602 +
        square *
          (-0.0027777777777015593 +
            square * (6.613756321437934e-5 + square * (-1.6533902205465252e-6 + square * 4.1381367970572385e-8))));
  const r = (z * t1) / (t1 - 2) - (w + z * w);
  z = 1 - (r - z);
  return sign * scaleByPowerOfTwo(z, n);
}

/** Powers of zero, one and infinity, whose result is exact. */
function powSpecial(x, absolute, y, yIsOdd) {
  let z = absolute;
  if (y < 0) z = 1 / z;
  return x < 0 || sameValue(x, -0) ? (yIsOdd ? -z : z) : z;
}

/** 10^y for whole y: the one base where people expect the decimal literal, which Number() rounds correctly. */
const powersOfTen = [];

function powerOfTen(y) {
  if (y > 308) return Infinity;
  if (y < -324) return 0;
  let value = powersOfTen[y + 324];
  if (value === undefined) {
    value = Number(`1e${y}`);
    powersOfTen[y + 324] = value;
  }
  return value;
}

/** x to the power of y, by the special cases of ECMAScript's Number::exponentiate. Error below 1.5 ulp. */
export function pow(x, y) {
  if (y === 2) return x * x;
  if (y === 0) return 1;
  if (isNaNValue(x) || isNaNValue(y)) return NaN;
  // Small powers by multiplication: seven times as fast, at most 1.5 ulp off.
  if (y === 1) return x;
  if (y === 3) return x * x * x;
  if (y === 4) return x * x * (x * x);
  if (y === -1) return 1 / x;
  const absolute = x < 0 ? -x : x === 0 ? 0 : x;
  if (y === Infinity || y === -Infinity) {
    if (absolute === 1) return NaN;
    return absolute > 1 === y > 0 ? Infinity : 0;
  }
  if (y === 0.5 && x >= 0) return squareRoot(x) + 0;
  let sign = 1;
  if (x <= 0 || absolute === Infinity || absolute === 1) {
    const kind = integerKind(y);
    if (absolute === 0 || absolute === Infinity) return powSpecial(x, absolute, y, kind === 1);
    if (x < 0 && kind === 0) return NaN;
    if (x < 0 && kind === 1) sign = -1;
    if (absolute === 1) return sign;
  } else if (x === 10 && floor(y) === y) {
    return powerOfTen(y);
  }
  const yMagnitude = highWord(y) & 0x7fffffff;
  let logarithmHigh;
  if (yMagnitude > 0x41e00000) {
    // |y| > 2^31: only x very near 1 does not overflow.
    const ix = highWord(absolute);
    if (yMagnitude > 0x43f00000 || ix < 0x3fefffff || ix > 0x3ff00000) {
      return absolute < 1 === y < 0 ? sign * Infinity : sign * 0;
    }
    logarithmHigh = log2NearOne(absolute);
  } else {
    logarithmHigh = log2Extended(absolute);
  }
  const yHigh = leadingHalf(y);
  const pLow = (y - yHigh) * logarithmHigh + y * logarithmLow[0];
  return exp2Extended(sign, yHigh * logarithmHigh, pLow);
}

/**
 * Square root of the sum of squares, without overflow on the way. Scaled by a power of two, summed with the error
 * of every step carried along (Kahan), so that the order of the arguments hardly matters.
 */
export function hypot(values) {
  let largest = 0;
  let sawNaN = false;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] < 0 ? -values[index] : values[index];
    if (value === Infinity) return Infinity;
    if (isNaNValue(value)) sawNaN = true;
    else if (value > largest) largest = value;
  }
  if (sawNaN) return NaN;
  if (largest === 0) return 0;
  const exponent = ((highWord(largest) >> 20) & 0x7ff) - 1023;
  let sum = 0;
  let compensation = 0;
  for (let index = 0; index < values.length; index += 1) {
    const scaled = scaleByPowerOfTwo(values[index], -exponent);
    const term = scaled * scaled - compensation;
    const next = sum + term;
    compensation = next - sum - term;
    sum = next;
  }
  return scaleByPowerOfTwo(squareRoot(sum), exponent);
}
