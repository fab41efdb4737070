/**
 * The two 32-bit words of a double, as the algorithms of fdlibm need them.
 *
 * The files math-*.js are written from the published algorithms of fdlibm and FreeBSD msun:
 *
 *     Copyright (C) 1993, 2004 by Sun Microsystems, Inc. All rights reserved.
 *     Permission to use, copy, modify, and distribute this software is freely granted,
 *     provided that this notice is preserved.
 *
 * Both engines run this one text, so the same arguments give the same bits everywhere: it uses only + - * /, sqrt,
 * floor and 32-bit integer operations, all of which IEEE 754 and ECMAScript define exactly. The language's own
 * functions may not be used: ECMAScript calls them "implementation-approximated", and V8 and QuickJS do differ.
 */

export const isNaNValue = Number.isNaN;

const doubleCell = new Float64Array(1);
const wordCell = new Uint32Array(doubleCell.buffer);
doubleCell[0] = 1;
const HIGH = wordCell[1] === 0 ? 0 : 1;
const LOW = 1 - HIGH;

/** The high word as a signed 32-bit integer: sign, exponent, 20 bits of the significand. */
export function highWord(x) {
  doubleCell[0] = x;
  return wordCell[HIGH] | 0;
}

/** The low word as an unsigned 32-bit integer. */
export function lowWord(x) {
  doubleCell[0] = x;
  return wordCell[LOW];
}

export function fromWords(high, low) {
  wordCell[HIGH] = high;
  wordCell[LOW] = low;
  return doubleCell[0];
}

export function withHighWord(x, high) {
  doubleCell[0] = x;
  wordCell[HIGH] = high;
  return doubleCell[0];
}

/** x with its low word cleared. */
export function highPart(x) {
  doubleCell[0] = x;
  wordCell[LOW] = 0;
  return doubleCell[0];
}

/** 2^n for n from -1074 to 1023. A look is several times as fast as putting the bits together. */
const powersOfTwo = new Float64Array(2098);
powersOfTwo[1074] = 1;
for (let n = 1; n < 1024; n += 1) powersOfTwo[1074 + n] = powersOfTwo[1073 + n] * 2;
for (let n = 1; n <= 1074; n += 1) powersOfTwo[1074 - n] = powersOfTwo[1075 - n] / 2;

export function twoToThe(n) {
  return powersOfTwo[n + 1074];
}

/** The leading 26 bits of x, without going through memory (Veltkamp); for |x| below 2^996. */
export function leadingHalf(x) {
  const c = 134217729 * x;
  return c - (c - x);
}

/** x * 2^n, rounded once. */
export function scaleByPowerOfTwo(x, n) {
  // Below -1021 the result may be subnormal even where the factor is not: then in two steps that round once.
  if (n >= -1021 && n <= 1023) return x * powersOfTwo[n + 1074];
  return scaleFar(x, n);
}

function scaleFar(x, n) {
  let value = x;
  let exponent = n;
  if (exponent > 1023) {
    value *= 8.98846567431158e307; // 2^1023
    exponent -= 1023;
    if (exponent > 1023) {
      value *= 8.98846567431158e307;
      exponent -= 1023;
      if (exponent > 1023) exponent = 1023;
    }
  } else if (exponent < -1022) {
    // 2^-1022 * 2^53: keeps enough bits that only the last multiplication rounds.
    value *= 2.004168360008973e-292;
    exponent += 969;
    if (exponent < -1022) {
      value *= 2.004168360008973e-292;
      exponent += 969;
      if (exponent < -1022) exponent = -1022;
    }
  }
  return value * powersOfTwo[exponent + 1074];
}
