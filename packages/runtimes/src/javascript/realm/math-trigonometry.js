/** sin, cos, tan, asin, acos, atan, atan2. Source: fdlibm k_sin, k_cos, k_tan, e_rem_pio2, e_asin, e_acos, s_atan, e_atan2. */
import { fromWords, highPart, highWord, isNaNValue, lowWord } from './math-words.js';

const arcSquareRoot = Math.sqrt;
const HALF_PI = 1.5707963267948966;
const HALF_PI_LOW = 6.123233995736766e-17;
const QUARTER_PI = 0.7853981633974483;
const QUARTER_PI_LOW = 3.061616997868383e-17;
/** 2/pi * 2^1216, rounded down: enough bits for the largest double. */
const TWO_OVER_PI_1216 = BigInt(
  '0x' +
    'a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921cfe1d' +
    'eb1cb129a73ee88235f52ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980fef2f118b' +
    '5a0a6d1f6d367ecf27cb09b74f463f669e5fea2d7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d0856033046fc7b' +
    '6bab',
);
/** pi/2 * 2^128, rounded down. */
const HALF_PI_128 = 0x1921fb54442d18469898cc51701b839a2n;

/** What is left of x after whole quarter turns: the return value is the number of them mod 4. */
const reduced = new Float64Array(2);

/** |x| up to 2^19 pi/2: subtracts n * pi/2 in three parts of 33 bits each. */
function reduceMedium(x) {
  const absolute = x < 0 ? -x : x;
  const n = (absolute * 0.6366197723675814 + 0.5) | 0;
  let r = absolute - n * 1.5707963267341256;
  let w = n * 6.077100506506192e-11;
  const exponent = highWord(absolute) >> 20;
  reduced[0] = r - w;
  if (exponent - ((highWord(reduced[0]) >> 20) & 0x7ff) > 16) {
    let t = r;
    w = n * 6.077100506303966e-11;
    r = t - w;
    w = n * 2.0222662487959506e-21 - (t - r - w);
    reduced[0] = r - w;
    if (exponent - ((highWord(reduced[0]) >> 20) & 0x7ff) > 49) {
      t = r;
      w = n * 2.0222662487111665e-21;
      r = t - w;
      w = n * 8.4784276603689e-32 - (t - r - w);
      reduced[0] = r - w;
    }
  }
  reduced[1] = r - reduced[0] - w;
  if (x >= 0) return n & 3;
  reduced[0] = -reduced[0];
  reduced[1] = -reduced[1];
  return -n & 3;
}

/** Any larger x (Payne and Hanek), in whole numbers: exact wherever BigInt is. */
function reduceLarge(x) {
  const absolute = x < 0 ? -x : x;
  const exponent = (highWord(absolute) >> 20) - 1023 - 52;
  const significand = (BigInt((highWord(absolute) & 0xfffff) | 0x100000) << 32n) | BigInt(lowWord(absolute));
  const product = significand * TWO_OVER_PI_1216;
  const turns = exponent >= 0 ? product << BigInt(exponent) : product >> BigInt(-exponent);
  let n = Number((turns >> 1216n) & 3n);
  let fraction = (turns & ((1n << 1216n) - 1n)) >> 1016n; // 200 bits
  if (fraction >> 199n === 1n) {
    n += 1;
    fraction -= 1n << 200n;
  }
  const scaled = fraction * HALF_PI_128; // 328 bits after the point
  const high = Number(scaled);
  reduced[0] = high * 1.82877982605164e-99; // 2^-328
  reduced[1] = Number(scaled - BigInt(high)) * 1.82877982605164e-99;
  if (x >= 0) return n & 3;
  reduced[0] = -reduced[0];
  reduced[1] = -reduced[1];
  return -n & 3;
}

function reduce(x) {
  return (highWord(x) & 0x7fffffff) <= 0x413921fb ? reduceMedium(x) : reduceLarge(x);
}

function kernelSine(x, y) {
  const z = x * x;
  const v = z * x;
  const r =
    0.00833333333332249 +
    z *
      (-0.0001984126982985795 + z * (2.7557313707070068e-6 + z * (-2.5050760253406863e-8 + z * 1.58969099521155e-10)));
  return x - (z * (0.5 * y - v * r) - y - v * -0.16666666666666632);
}

function kernelCosine(x, y) {
  const magnitude = highWord(x) & 0x7fffffff;
  const z = x * x;
  const r =
    z *
    (0.0416666666666666 +
      z *
        (-0.001388888888887411 +
          z *
            (2.480158728947673e-5 +
              z * (-2.7557314351390663e-7 + z * (2.087572321298175e-9 + z * -1.1359647557788195e-11)))));
  if (magnitude < 0x3fd33333) return 1 - (0.5 * z - (z * r - x * y));
  const quarter = magnitude > 0x3fe90000 ? 0.28125 : fromWords(magnitude - 0x00200000, 0);
  const half = 0.5 * z - quarter;
  return 1 - quarter - (half - (z * r - x * y));
}

/** tan, or -1/tan when `quotient` is -1. */
function kernelTangent(xGiven, yGiven, quotient) {
  let x = xGiven;
  let y = yGiven;
  const high = highWord(x);
  const magnitude = high & 0x7fffffff;
  const isLarge = magnitude >= 0x3fe59428; // 0.6744
  if (isLarge) {
    if (high < 0) {
      x = -x;
      y = -y;
    }
    x = QUARTER_PI - x + (QUARTER_PI_LOW - y);
    y = 0;
  }
  const z = x * x;
  const w = z * z;
  const odd =
    0.13333333333320124 +
    w *
      (0.021869488294859542 +
        w *
          (0.0035920791075913124 +
            w * (0.0005880412408202641 + w * (7.817944429395571e-5 + w * -1.8558637485527546e-5))));
  const even =
    z *
    (0.05396825397622605 +
      w *
        (0.0088632398235993 +
          w *
            (0.0014562094543252903 +
              w * (0.0002464631348184699 + w * (7.140724913826082e-5 + w * 2.590730518636337e-5)))));
  const s = z * x;
  let r = y + z * (s * (odd + even) + y);
  r += 0.3333333333333341 * s;
  const value = x + r;
  if (isLarge) {
    const v = quotient;
    return (1 - ((high >> 30) & 2)) * (v - 2 * (x - ((value * value) / (value + v) - r)));
  }
  if (quotient === 1) return value;
  const valueHigh = highPart(value);
  const v = r - (valueHigh - x);
  const a = -1 / value;
  const t = highPart(a);
  return t + a * (1 + t * valueHigh + t * v);
}

export function sin(x) {
  const magnitude = highWord(x) & 0x7fffffff;
  if (magnitude <= 0x3fe921fb) return magnitude < 0x3e400000 ? x : kernelSine(x, 0);
  if (magnitude >= 0x7ff00000) return NaN;
  const turn = reduce(x);
  if (turn === 0) return kernelSine(reduced[0], reduced[1]);
  if (turn === 1) return kernelCosine(reduced[0], reduced[1]);
  if (turn === 2) return -kernelSine(reduced[0], reduced[1]);
  return -kernelCosine(reduced[0], reduced[1]);
}

export function cos(x) {
  const magnitude = highWord(x) & 0x7fffffff;
  if (magnitude <= 0x3fe921fb) return magnitude < 0x3e400000 ? 1 : kernelCosine(x, 0);
  if (magnitude >= 0x7ff00000) return NaN;
  const turn = reduce(x);
  if (turn === 0) return kernelCosine(reduced[0], reduced[1]);
  if (turn === 1) return -kernelSine(reduced[0], reduced[1]);
  if (turn === 2) return -kernelCosine(reduced[0], reduced[1]);
  return kernelSine(reduced[0], reduced[1]);
}

export function tan(x) {
  const magnitude = highWord(x) & 0x7fffffff;
  if (magnitude <= 0x3fe921fb) return magnitude < 0x3e300000 ? x : kernelTangent(x, 0, 1);
  if (magnitude >= 0x7ff00000) return NaN;
  const turn = reduce(x);
  return kernelTangent(reduced[0], reduced[1], turn % 2 === 0 ? 1 : -1);
}

/** (asin(x) - x) / x^3 * x^2 as a rational function of t = x^2. */
function arcSeries(t) {
  const p =
    t *
    (0.16666666666666666 +
      t *
        (-0.3255658186224009 +
          t *
            (0.20121253213486293 +
              t * (-0.04005553450067941 + t * (0.0007915349942898145 + t * 3.479331075960212e-5)))));
  const q =
    1 + t * (-2.403394911734414 + t * (2.0209457602335057 + t * (-0.6882839716054533 + t * 0.07703815055590194)));
  return p / q;
}

export function asin(x) {
  const absolute = x < 0 ? -x : x;
  if (!(absolute <= 1)) return NaN;
  if (absolute === 1) return x * HALF_PI + x * HALF_PI_LOW;
  if (absolute < 0.5) {
    if (absolute < 7.450580596923828e-9) return x;
    return x + x * arcSeries(x * x);
  }
  const t = (1 - absolute) * 0.5;
  const series = arcSeries(t);
  const s = arcSquareRoot(t);
  let result;
  if ((highWord(absolute) | 0) >= 0x3fef3333) {
    result = HALF_PI - (2 * (s + s * series) - HALF_PI_LOW);
  } else {
    const w = highPart(s);
    const c = (t - w * w) / (s + w);
    const p = 2 * s * series - (HALF_PI_LOW - 2 * c);
    const q = QUARTER_PI - 2 * w;
    result = QUARTER_PI - (p - q);
  }
  return x > 0 ? result : -result;
}

export function acos(x) {
  const absolute = x < 0 ? -x : x;
  if (!(absolute <= 1)) return NaN;
  if (x === 1) return 0;
  if (x === -1) return Math.PI + 2 * HALF_PI_LOW;
  if (absolute < 0.5) {
    if (absolute <= 6.938893903907228e-18) return HALF_PI + HALF_PI_LOW;
    return HALF_PI - (x - (HALF_PI_LOW - x * arcSeries(x * x)));
  }
  const z = (1 - absolute) * 0.5;
  const s = arcSquareRoot(z);
  const series = arcSeries(z);
  if (x < 0) return Math.PI - 2 * (s + (series * s - HALF_PI_LOW));
  const high = highPart(s);
  const c = (z - high * high) / (s + high);
  return 2 * (high + (series * s + c));
}

const ARC_TANGENT_HIGH = [0.4636476090008061, 0.7853981633974483, 0.982793723247329, 1.5707963267948966];
const ARC_TANGENT_LOW = [2.2698777452961687e-17, 3.061616997868383e-17, 1.3903311031230998e-17, 6.123233995736766e-17];

export function atan(x) {
  const high = highWord(x);
  const magnitude = high & 0x7fffffff;
  if (magnitude >= 0x44100000) {
    if (isNaNValue(x)) return x;
    return high > 0 ? ARC_TANGENT_HIGH[3] + ARC_TANGENT_LOW[3] : -ARC_TANGENT_HIGH[3] - ARC_TANGENT_LOW[3];
  }
  let r = x;
  let interval = -1;
  if (magnitude < 0x3fdc0000) {
    if (magnitude < 0x3e400000) return x;
  } else {
    r = x < 0 ? -x : x;
    if (magnitude < 0x3ff30000) {
      if (magnitude < 0x3fe60000) {
        interval = 0;
        r = (2 * r - 1) / (2 + r);
      } else {
        interval = 1;
        r = (r - 1) / (r + 1);
      }
    } else if (magnitude < 0x40038000) {
      interval = 2;
      r = (r - 1.5) / (1 + 1.5 * r);
    } else {
      interval = 3;
      r = -1 / r;
    }
  }
  const z = r * r;
  const w = z * z;
  const odd =
    z *
    (0.3333333333333293 +
      w *
        (0.14285714272503466 +
          w *
            (0.09090887133436507 + w * (0.06661073137387531 + w * (0.049768779946159324 + w * 0.016285820115365782)))));
  const even =
    w *
    (-0.19999999999876483 +
      w * (-0.11111110405462356 + w * (-0.0769187620504483 + w * (-0.058335701337905735 + w * -0.036531572744216916))));
  if (interval < 0) return r - r * (odd + even);
  const result = ARC_TANGENT_HIGH[interval] - (r * (odd + even) - ARC_TANGENT_LOW[interval] - r);
  return high < 0 ? -result : result;
}

export function atan2(y, x) {
  if (isNaNValue(x) || isNaNValue(y)) return NaN;
  const PI = Math.PI;
  const PI_LOW = 1.2246467991473532e-16;
  if (x === 1) return atan(y);
  const xIsNegative = highWord(x) < 0;
  const yIsNegative = highWord(y) < 0;
  const quadrant = (xIsNegative ? 2 : 0) + (yIsNegative ? 1 : 0);
  if (y === 0) return quadrant < 2 ? y : quadrant === 2 ? PI : -PI;
  if (x === 0) return yIsNegative ? -HALF_PI : HALF_PI;
  if (x === Infinity || x === -Infinity) {
    if (y === Infinity || y === -Infinity) {
      const corner = xIsNegative ? 3 * QUARTER_PI : QUARTER_PI;
      return yIsNegative ? -corner : corner;
    }
    const axis = xIsNegative ? PI : 0;
    return yIsNegative ? -axis : axis;
  }
  if (y === Infinity || y === -Infinity) return yIsNegative ? -HALF_PI : HALF_PI;
  const exponents = ((highWord(y) & 0x7fffffff) - (highWord(x) & 0x7fffffff)) >> 20;
  let z;
  let m = quadrant;
  if (exponents > 60) {
    z = HALF_PI + 0.5 * PI_LOW;
    m &= 1;
  } else if (xIsNegative && exponents < -60) {
    z = 0;
  } else {
    const ratio = y / x;
    z = atan(ratio < 0 ? -ratio : ratio);
  }
  if (m === 0) return z;
  if (m === 1) return -z;
  if (m === 2) return PI - (z - PI_LOW);
  return z - PI_LOW - PI;
}
