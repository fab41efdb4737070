/** Random numbers for the inputs of a fuzzed program: cheap, and the same for the same seed, name and index. */

/** sfc32 by C. Doty-Humphrey: 128 bits of state, four additions a number. */
export class FuzzRandom {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 1;

  /** Begins anew: what follows depends on these three alone. */
  begin(seed: number, name: number, index: number): void {
    this.#a = seed | 0;
    this.#b = name | 0;
    this.#c = (index % 2 ** 32) | 0;
    this.#d = Math.floor(index / 2 ** 32) + 1;
    for (let round = 0; round < 12; round += 1) this.uint32();
  }

  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A whole number from 0 to `end - 1`. */
  below(end: number): number {
    return Math.floor((this.uint32() / 2 ** 32) * end);
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }

  /** An arrow function, so that it can be passed on where a stream of bytes is asked for. */
  readonly bytes = (length: number): Uint8Array<ArrayBuffer> => {
    const words = new Uint32Array((length + 3) >> 2);
    for (let at = 0; at < words.length; at += 1) words[at] = this.uint32();
    return new Uint8Array(words.buffer, 0, length);
  };

  /** Flips one bit between two places. */
  flip(bytes: Uint8Array, from = 0, to = bytes.length): void {
    const at = from + this.below(to - from);
    bytes[at] = (bytes[at] as number) ^ (1 << this.below(8));
  }
}
