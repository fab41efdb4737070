/** Randomness that a seed repeats (mulberry32 by T. Ettinger), in the shapes that the client asks for. */

import type { UniformNumbers } from '../../src/client/random-source.ts';
import type { FillRandom } from '../../src/mixing/random-numbers.ts';

export class SeededRandom implements UniformNumbers {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  uint32(): number {
    this.#state = (this.#state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** 0 (inclusive) to 1 (exclusive). */
  uniform(): number {
    return this.uint32() / 2 ** 32;
  }

  below(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.uniform());
  }

  readonly fill: FillRandom = (bytes) => {
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = this.uint32();
  };

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.fill(bytes);
    return bytes;
  }
}
