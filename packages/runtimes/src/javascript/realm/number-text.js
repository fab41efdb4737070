/**
 * Number.prototype.toString for a radix other than 10. ECMAScript leaves the digits to the engine, and for fractions
 * and for whole numbers above 2^53 the engines differ. The algorithm is the one of V8 (src/numbers/conversions.cc,
 * DoubleToRadixStringView): the shortest digits that no neighbouring double shares.
 */
import { fromWords, highWord, lowWord } from './math-words.js';

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';
const floorOf = Math.floor;

function nextDouble(x) {
  const low = lowWord(x);
  return low === 0xffffffff ? fromWords(highWord(x) + 1, 0) : fromWords(highWord(x), low + 1);
}

/** Digits of a fraction in [0, 1), with the carry into the whole part. `delta` is half the distance to a neighbour. */
function fractionDigits(fractionGiven, deltaGiven, radix) {
  const digits = [];
  let fraction = fractionGiven;
  let delta = deltaGiven;
  do {
    fraction *= radix;
    delta *= radix;
    const digit = floorOf(fraction);
    digits.push(digit);
    fraction -= digit;
    if (fraction > 0.5 || (fraction === 0.5 && (digit & 1) === 1)) {
      if (fraction + delta > 1) {
        // Round up, carrying over.
        while (digits.length > 0) {
          const last = digits.pop() + 1;
          if (last < radix) {
            digits.push(last);
            return { digits, carry: 0 };
          }
        }
        return { digits, carry: 1 };
      }
    }
  } while (fraction >= delta);
  return { digits, carry: 0 };
}

function wholeDigits(wholeGiven, radix) {
  let whole = wholeGiven;
  let text = '';
  // Above 2^53 the lowest digits carry no information: zeros.
  while (whole >= 9007199254740992) {
    whole /= radix;
    text = `0${text}`;
  }
  do {
    const remainder = whole % radix;
    text = DIGITS[floorOf(remainder)] + text;
    whole = (whole - remainder) / radix;
  } while (whole > 0);
  return text;
}

/** `value` is finite, `radix` a whole number from 2 to 36. */
export function toRadix(value, radix) {
  const absolute = value < 0 ? -value : value;
  let whole = floorOf(absolute);
  const fraction = absolute - whole;
  const delta = Math.max(0.5 * (nextDouble(absolute) - absolute), 5e-324);
  let text = '';
  if (fraction >= delta) {
    const { digits, carry } = fractionDigits(fraction, delta, radix);
    whole += carry;
    if (digits.length > 0) text = '.';
    for (const digit of digits) text += DIGITS[digit];
  }
  return (value < 0 ? '-' : '') + wholeDigits(whole, radix) + text;
}

/**
 * parseInt. ECMAScript lets an engine approximate long numbers; here they are exact and rounded once. Short ones,
 * which are nearly all, take the engine's own way: below 2^53 there is nothing to round.
 */
export function createParseInt() {
  const native = parseInt;
  const Whole = BigInt;
  const toNumber = Number;
  const execute = RegExp.prototype.exec.bind(/^\s*([+-]?)(0[xX])?([0-9a-zA-Z]*)/);
  const lower = Function.prototype.call.bind(String.prototype.toLowerCase);
  const digitsBelow2To53 = (radix) => floorOf(53 / (32 - Math.clz32(radix - 1)));

  return {
    parseInt(value, radix) {
      const text = `${value}`;
      if (text.length < 11) return native(text, radix);
      let base = radix | 0;
      const [, sign, prefix, rest] = execute(text);
      if (prefix !== undefined && base === 0) base = 16;
      else if (base === 0) base = 10;
      if (base < 2 || base > 36) return NaN;
      const all = lower(prefix !== undefined && base !== 16 ? prefix + rest : rest);
      let end = 0;
      while (end < all.length && DIGITS.indexOf(all[end]) < base) end += 1;
      if (end <= digitsBelow2To53(base)) return native(text, radix);
      let start = 0;
      while (all[start] === '0') start += 1;
      // The largest double has 1024 binary digits.
      if (end - start > 1024) return sign === '-' ? -Infinity : Infinity;
      const factor = Whole(base);
      let whole = 0n;
      for (let index = start; index < end; index += 1) whole = whole * factor + Whole(DIGITS.indexOf(all[index]));
      return sign === '-' ? -toNumber(whole) : toNumber(whole);
    },
  }.parseInt;
}
