/** Random numbers that a seed repeats, for simulations. */

const TWO_32 = 2 ** 32;

/** sfc32 by C. Doty-Humphrey, after the rounds that its author uses to mix a seed. */
export class SeededRandom {
  readonly #state: Uint32Array;

  /** Both are taken as unsigned 32-bit numbers. */
  constructor(seed: number, stream = 0) {
    this.#state = Uint32Array.of(seed, stream, 0x9e37_79b9, 1);
    for (let round = 0; round < 15; round += 1) this.uint32();
  }

  /** A whole number, 0 to 2^32 - 1. */
  uint32(): number {
    const state = this.#state;
    const [a = 0, b = 0, c = 0, counter = 0] = state;
    const sum = (a + b + counter) >>> 0;
    state[3] = counter + 1;
    state[0] = b ^ (b >>> 9);
    state[1] = c + (c << 3);
    state[2] = ((c << 21) | (c >>> 11)) + sum;
    return sum;
  }

  /** From 0 to before 1. */
  unit(): number {
    return this.uint32() / TWO_32;
  }

  /** A whole number from 0 to before `bound`, which is from 1 to 2^32; of small ones each is about as likely as another. */
  below(bound: number): number {
    return Math.floor(this.unit() * bound);
  }

  /** From `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  /** One of the items. Throws a `RangeError` when there are none. */
  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new RangeError('nothing to pick from');
    return items[this.below(items.length)] as Item;
  }
}
