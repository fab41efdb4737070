/** Numbers from random bytes, whatever makes the bytes: the system in production, a seed in a simulation. */
import { MIXING_LIMITS } from './limits.ts';

/** Fills all of `bytes` with random bytes. In production `randomFillSync` of node:crypto. */
export type FillRandom = (bytes: Uint8Array) => unknown;

const TWO_32 = 2 ** 32;

/** Bytes are fetched in blocks, and wiped as they are used: what is left in memory tells nothing of the past. */
export class RandomNumbers {
  readonly #fill: FillRandom;
  readonly #bytes = new Uint8Array(MIXING_LIMITS.randomBlockBytes);
  readonly #words = new Uint32Array(this.#bytes.buffer);
  #used = this.#words.length;

  constructor(fill: FillRandom) {
    this.#fill = fill;
  }

  /** A whole number from 0 to 2^32 - 1. */
  uint32(): number {
    if (this.#used === this.#words.length) {
      this.#fill(this.#bytes);
      this.#used = 0;
    }
    const word = this.#words[this.#used] as number;
    this.#words[this.#used++] = 0;
    return word;
  }

  /** A whole number from 0 to `bound - 1`, each as likely as the others. `bound` is from 1 to 2^32. */
  below(bound: number): number {
    if (!(Number.isInteger(bound) && bound >= 1 && bound <= TWO_32)) {
      throw new RangeError(`there is no random number below ${bound}`);
    }
    // Numbers beyond the last multiple of the bound would favour the small ones.
    const fair = TWO_32 - (TWO_32 % bound);
    for (;;) {
      const word = this.uint32();
      if (word < fair) return word % bound;
    }
  }

  /** A number between 0 and 1, neither of them, with 53 random bits. */
  uniform(): number {
    for (;;) {
      const high = this.uint32() >>> 5;
      const low = this.uint32() >>> 6;
      const value = (high * 2 ** 26 + low) / 2 ** 53;
      if (value > 0) return value;
    }
  }

  /** Puts the first `length` entries into an order of which each is as likely as the others (Fisher and Yates). */
  shuffle(entries: Int32Array, length: number): void {
    for (let last = length - 1; last > 0; last -= 1) {
      const other = this.below(last + 1);
      const entry = entries[last] as number;
      entries[last] = entries[other] as number;
      entries[other] = entry;
    }
  }
}
