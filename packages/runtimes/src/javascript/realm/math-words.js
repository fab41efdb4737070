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

/** x * 2^n, rounded once. */
export function scaleByPowerOfTwo(x, n) {
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
  return value * fromWords((1023 + exponent) << 20, 0);
}
