/** Randomness that a seed repeats, in the shapes that the client asks for. */

import { seededRandom } from '../../../../test/support/seeded-random.ts';
import type { UniformNumbers } from '../../src/client/random-source.ts';
import type { FillRandom } from '../../src/mixing/random-numbers.ts';

export class SeededRandom implements UniformNumbers {
  /** 0 (inclusive) to 1 (exclusive). */
  readonly uniform: () => number;

  constructor(seed: number) {
    this.uniform = seededRandom(seed);
  }

  uint32(): number {
    return this.uniform() * 2 ** 32;
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
