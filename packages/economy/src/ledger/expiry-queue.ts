/**
 * Pending transfers by the time at which they expire, those of one time in the order in which they were made: a binary
 * heap. Whoever takes from it looks whether the transfer is still pending, so resolving one costs nothing here.
 */
const WORDS = 3;

export class ExpiryQueue {
  /** Low and high word of the time, and the row, of each entry. */
  #heap = new Uint32Array(64 * WORDS);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  push(low: number, high: number, row: number): void {
    if ((this.#count + 1) * WORDS > this.#heap.length) {
      const larger = new Uint32Array(this.#heap.length * 2);
      larger.set(this.#heap);
      this.#heap = larger;
    }
    let at = this.#count;
    this.#count += 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!this.#isBefore(low, high, row, parent)) break;
      this.#heap.copyWithin(at * WORDS, parent * WORDS, (parent + 1) * WORDS);
      at = parent;
    }
    this.#put(at, low, high, row);
  }

  /** Row of the first that expires by this time; negative when there is none. */
  popUntil(low: number, high: number): number {
    if (this.#count === 0) return -1;
    const row = this.#heap[2] as number;
    const firstHigh = this.#heap[1] as number;
    if (firstHigh > high || (firstHigh === high && (this.#heap[0] as number) > low)) return -1;
    this.#count -= 1;
    const last = this.#count * WORDS;
    this.#sink(this.#heap[last] as number, this.#heap[last + 1] as number, this.#heap[last + 2] as number);
    return row;
  }

  clear(): void {
    this.#count = 0;
  }

  #sink(low: number, high: number, row: number): void {
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= this.#count) break;
      if (child + 1 < this.#count && this.#isEntryBefore(child + 1, child)) child += 1;
      if (this.#isBefore(low, high, row, child)) break;
      this.#heap.copyWithin(at * WORDS, child * WORDS, (child + 1) * WORDS);
      at = child;
    }
    this.#put(at, low, high, row);
  }

  #put(at: number, low: number, high: number, row: number): void {
    this.#heap[at * WORDS] = low;
    this.#heap[at * WORDS + 1] = high;
    this.#heap[at * WORDS + 2] = row;
  }

  #isEntryBefore(left: number, right: number): boolean {
    const at = left * WORDS;
    return this.#isBefore(this.#heap[at] as number, this.#heap[at + 1] as number, this.#heap[at + 2] as number, right);
  }

  #isBefore(low: number, high: number, row: number, other: number): boolean {
    const at = other * WORDS;
    if (high !== this.#heap[at + 1]) return high < (this.#heap[at + 1] as number);
    if (low !== this.#heap[at]) return low < (this.#heap[at] as number);
    return row < (this.#heap[at + 2] as number);
  }
}
