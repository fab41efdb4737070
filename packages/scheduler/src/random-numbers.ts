/**
 * Random numbers that are a function of (seed, stream, position), so that what is computed does not depend on who
 * computed it or in which order: each generation and slot draws from a stream of its own.
 *
 * The generator is Philox 2x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11).
 */

import { FogError } from '@fog/contract';

const MULTIPLIER_LOW = 0xd193;
const MULTIPLIER_HIGH = 0xd256;
const WEYL = 0x9e3779b9;
const ROUNDS = 10;
const TWO_TO_32 = 2 ** 32;
const TWO_TO_53 = 2 ** 53;

export class RandomNumbers {
  readonly #key: number;
  #stream = 0;
  #position = 0;
  #low = 0;
  #high = 0;
  #hasHigh = false;

  /** Both are taken as unsigned 32-bit numbers. */
  constructor(seed: number, stream = 0) {
    this.#key = seed >>> 0;
    this.useStream(stream);
  }

  /** Begins another stream of the same seed, at its first number. */
  useStream(stream: number): void {
    this.#stream = stream >>> 0;
    this.#position = 0;
    this.#hasHigh = false;
  }

  /** A whole number, 0 to 2^32 - 1. */
  uint32(): number {
    if (this.#hasHigh) {
      this.#hasHigh = false;
      return this.#high;
    }
    this.#block();
    this.#hasHigh = true;
    return this.#low;
  }

  /** From 0 to before 1, in steps of 2^-53. */
  unit(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 67_108_864 + low) / TWO_TO_53;
  }

  /** A whole number from 0 to before `bound` (1 to 2^32), each as likely as the others. Throws `internal` for 0, NaN and more. */
  below(bound: number): number {
    const unfair = TWO_TO_32 % bound;
    for (;;) {
      const drawn = this.uint32();
      if (drawn >= unfair) return drawn % bound;
      // Without a bound nothing would ever be fair.
      if (!(bound >= 1 && bound <= TWO_TO_32)) throw new FogError('internal', `nothing can be drawn below ${bound}`);
    }
  }

  /** Puts the first `count` entries into a random order. */
  shuffle(entries: { [index: number]: number; readonly length: number }, count = entries.length): void {
    for (let last = count - 1; last > 0; last -= 1) {
      const other = this.below(last + 1);
      const kept = entries[last] as number;
      entries[last] = entries[other] as number;
      entries[other] = kept;
    }
  }

  /** The rounds in 32-bit whole numbers throughout: products of 64 bits are put together from halves of 16. */
  #block(): void {
    let left = this.#position | 0;
    let right = this.#stream | 0;
    let key = this.#key | 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const leftLow = left & 0xffff;
      const leftHigh = left >>> 16;
      const lowest = Math.imul(MULTIPLIER_LOW, leftLow);
      const middle = (Math.imul(MULTIPLIER_HIGH, leftLow) + (lowest >>> 16)) | 0;
      const other = (Math.imul(MULTIPLIER_LOW, leftHigh) + (middle & 0xffff)) | 0;
      const high = (Math.imul(MULTIPLIER_HIGH, leftHigh) + (middle >>> 16) + (other >>> 16)) | 0;
      const low = (other << 16) | (lowest & 0xffff);
      left = high ^ key ^ right;
      right = low;
      key = (key + WEYL) | 0;
    }
    this.#position = (this.#position + 1) | 0;
    this.#low = left >>> 0;
    this.#high = right >>> 0;
  }
}
