/**
 * Logarithms in whole numbers. Math.log may differ in its last bit between engines and versions of one engine; those
 * who compute a lottery must agree to the bit, so nothing here is a floating-point number.
 */

/** A million parts are a whole. */
export const PARTS_PER_MILLION = 1_000_000;
/** Bits behind the point of `negativeLog2`. */
export const LOG_FRACTION_BITS = 64;

/** Each squaring doubles the error of what was cut off, 64 times; 192 bits leave 128 of them right at the end. */
const MANTISSA_BITS = 192n;
const ONE = 1n << MANTISSA_BITS;
const TWO = ONE << 1n;

/**
 * -log2(u) for u = (2n + 1) / 2^(8b + 1), where n is the number that `bytes` (b of them, big endian) write: the middle
 * of one of 2^(8b) equal parts of (0, 1), so u is never 0 or 1. The result is times 2^64, cut off to a whole number. A
 * larger u never has a larger result.
 */
export function negativeLog2(bytes: Uint8Array): bigint {
  const odd = (BigInt(`0x${Buffer.from(bytes).toString('hex')}`) << 1n) + 1n;
  return (BigInt(bytes.length * 8 + 1) << BigInt(LOG_FRACTION_BITS)) - log2(odd);
}

/** log2 of a whole number from 1 up, times 2^64, cut off. One bit of the fraction for each squaring of the mantissa. */
export function log2(value: bigint): bigint {
  if (value < 1n) throw new RangeError(`there is no logarithm of ${value}`);
  const whole = BigInt(value.toString(2).length - 1);
  let mantissa = whole > MANTISSA_BITS ? value >> (whole - MANTISSA_BITS) : value << (MANTISSA_BITS - whole);
  let result = whole;
  for (let bit = 0; bit < LOG_FRACTION_BITS; bit += 1) {
    mantissa = (mantissa * mantissa) >> MANTISSA_BITS;
    result <<= 1n;
    if (mantissa >= TWO) {
      mantissa >>= 1n;
      result |= 1n;
    }
  }
  return result;
}
