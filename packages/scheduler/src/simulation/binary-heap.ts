/** Whole numbers by an order of one's own; of equal ones the least comes first, so that results do not depend on luck. */
export class BinaryHeap {
  readonly #entries: number[] = [];
  readonly #compare: (left: number, right: number) => number;

  constructor(compare: (left: number, right: number) => number = () => 0) {
    this.#compare = (left, right) => compare(left, right) || left - right;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** The one that comes first; only of a heap that has some. */
  get first(): number {
    return this.#entries[0] as number;
  }

  push(entry: number): void {
    const entries = this.#entries;
    let at = entries.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#compare(entries[parent] as number, entry) <= 0) break;
      entries[at] = entries[parent] as number;
      at = parent;
    }
    entries[at] = entry;
  }

  /** Takes out the one that comes first; only of a heap that has some. */
  pop(): number {
    const entries = this.#entries;
    const first = entries[0] as number;
    const last = entries.pop() as number;
    if (entries.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= entries.length) break;
      const right = child + 1;
      if (right < entries.length && this.#compare(entries[right] as number, entries[child] as number) < 0)
        child = right;
      if (this.#compare(last, entries[child] as number) <= 0) break;
      entries[at] = entries[child] as number;
      at = child;
    }
    entries[at] = last;
    return first;
  }
}
