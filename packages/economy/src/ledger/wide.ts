/** Unsigned 128-bit numbers as four words of an array, the lowest first. None of it allocates. */

const WORD = 2 ** 32;
const MOST_WORD = 0xffffffff;

export function isZero(a: Uint32Array, i: number): boolean {
  return ((a[i] as number) | (a[i + 1] as number) | (a[i + 2] as number) | (a[i + 3] as number)) === 0;
}

/** Whether it is 2^128 - 1. */
export function isMost(a: Uint32Array, i: number): boolean {
  return ((a[i] as number) & (a[i + 1] as number) & (a[i + 2] as number) & (a[i + 3] as number)) === -1;
}

export function isEqual(a: Uint32Array, i: number, b: Uint32Array, j: number): boolean {
  return a[i] === b[j] && a[i + 1] === b[j + 1] && a[i + 2] === b[j + 2] && a[i + 3] === b[j + 3];
}

/** Below 0, 0 or above 0, as `a` is less, equal or more. */
export function compare(a: Uint32Array, i: number, b: Uint32Array, j: number): number {
  if (a[i + 3] !== b[j + 3]) return (a[i + 3] as number) - (b[j + 3] as number);
  if (a[i + 2] !== b[j + 2]) return (a[i + 2] as number) - (b[j + 2] as number);
  if (a[i + 1] !== b[j + 1]) return (a[i + 1] as number) - (b[j + 1] as number);
  return (a[i] as number) - (b[j] as number);
}

export function copy(from: Uint32Array, j: number, to: Uint32Array, i: number): void {
  to[i] = from[j] as number;
  to[i + 1] = from[j + 1] as number;
  to[i + 2] = from[j + 2] as number;
  to[i + 3] = from[j + 3] as number;
}

/** `a += b`, modulo 2^128; whether it went over. */
export function add(a: Uint32Array, i: number, b: Uint32Array, j: number): boolean {
  let sum = (a[i] as number) + (b[j] as number);
  a[i] = sum;
  sum = (a[i + 1] as number) + (b[j + 1] as number) + (sum > MOST_WORD ? 1 : 0);
  a[i + 1] = sum;
  sum = (a[i + 2] as number) + (b[j + 2] as number) + (sum > MOST_WORD ? 1 : 0);
  a[i + 2] = sum;
  sum = (a[i + 3] as number) + (b[j + 3] as number) + (sum > MOST_WORD ? 1 : 0);
  a[i + 3] = sum;
  return sum > MOST_WORD;
}

/** `a -= b`; the caller knows that `b` is not more. */
export function subtract(a: Uint32Array, i: number, b: Uint32Array, j: number): void {
  let difference = (a[i] as number) - (b[j] as number);
  a[i] = difference;
  difference = (a[i + 1] as number) - (b[j + 1] as number) - (difference < 0 ? 1 : 0);
  a[i + 1] = difference;
  difference = (a[i + 2] as number) - (b[j + 2] as number) - (difference < 0 ? 1 : 0);
  a[i + 2] = difference;
  difference = (a[i + 3] as number) - (b[j + 3] as number) - (difference < 0 ? 1 : 0);
  a[i + 3] = difference;
}

/** Whether `a + b` is 2^128 or more. */
export function sumOverflows(a: Uint32Array, i: number, b: Uint32Array, j: number): boolean {
  let sum = (a[i] as number) + (b[j] as number);
  sum = (a[i + 1] as number) + (b[j + 1] as number) + (sum > MOST_WORD ? 1 : 0);
  sum = (a[i + 2] as number) + (b[j + 2] as number) + (sum > MOST_WORD ? 1 : 0);
  sum = (a[i + 3] as number) + (b[j + 3] as number) + (sum > MOST_WORD ? 1 : 0);
  return sum > MOST_WORD;
}

/** A bigint on its way: as one it takes no arithmetic, which would make three others. */
const wide = new BigUint64Array(1);
const halves = new Uint32Array(wide.buffer);
wide[0] = 1n;
const LOW = halves[0] === 1 ? 0 : 1;
const HIGH = 1 - LOW;
const MOST_64 = 0xffffffff_ffffffffn;

export function read128(a: Uint32Array, i: number): bigint {
  const low = read64(a, i);
  return ((a[i + 2] as number) | (a[i + 3] as number)) === 0 ? low : (read64(a, i + 2) << 64n) | low;
}

export function read64(a: Uint32Array, i: number): bigint {
  halves[LOW] = a[i] as number;
  halves[HIGH] = a[i + 1] as number;
  return wide[0] as bigint;
}

export function write128(a: Uint32Array, i: number, value: bigint): void {
  write64(a, i, value);
  write64(a, i + 2, value > MOST_64 ? value >> 64n : 0n);
}

/** The lower 64 bits of a value. */
export function write64(a: Uint32Array, i: number, value: bigint): void {
  wide[0] = value;
  a[i] = halves[LOW] as number;
  a[i + 1] = halves[HIGH] as number;
}

/** Puts a 64-bit product of a whole number below 2^32 and one below 2^30 into two words. */
export function multiply(a: Uint32Array, i: number, factor: number, small: number): void {
  const high = (factor >>> 16) * small;
  const low = (factor & 0xffff) * small + (high % 65536) * 65536;
  a[i] = low % WORD;
  a[i + 1] = Math.floor(high / 65536) + Math.floor(low / WORD);
}

/** Adds two 64-bit numbers into the first. */
export function add64(a: Uint32Array, i: number, low: number, high: number): void {
  const sum = (a[i] as number) + low;
  a[i] = sum;
  a[i + 1] = (a[i + 1] as number) + high + (sum > MOST_WORD ? 1 : 0);
}

/** As `compare`, of 64 bits. */
export function compare64(a: Uint32Array, i: number, b: Uint32Array, j: number): number {
  if (a[i + 1] !== b[j + 1]) return (a[i + 1] as number) - (b[j + 1] as number);
  return (a[i] as number) - (b[j] as number);
}
