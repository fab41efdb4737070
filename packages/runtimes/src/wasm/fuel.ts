/**
 * What work counts that is more than an instruction, in units of fuel. It is the same on every node, or nobody agrees on
 * what a task costs. CPython does some 13 units in a nanosecond of a reference processor; `npm run bench -- fuel`.
 */
export const FUEL = {
  /** Copied, filled or handed to a host function by one unit: between what caches do, and memory. A power of two. */
  bytes: 4,
  bytesLog2: 2,
  /** Of memory that is granted. */
  page: 65_536 / 4,
  /** A call of a host function: from 0.01 to 1 microsecond. */
  hostCall: 5_000,
  /** Of random bytes that are drawn: 8 nanoseconds. */
  randomByte: 100,
} as const;

/** An exact number, also in JSON: 2^53 - 1 stands for that or more. */
export function totalFuel(ofModule: bigint, ofHost: number): number {
  const total = BigInt.asUintN(64, ofModule) + BigInt(ofHost);
  return total > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(total);
}
