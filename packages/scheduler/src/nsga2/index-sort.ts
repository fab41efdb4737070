/**
 * Puts indices of points into order, by one objective or by all of them. Equal ones keep the order that they had: a
 * merge sort, since the sort of typed arrays calls a function for each comparison.
 */

/** As many neighbours are put into order by insertion, before they are merged. */
const RUN = 8;

export class IndexSorter {
  #capacity = 0;
  #keys = new Float64Array(0);
  #otherKeys = new Float64Array(0);
  #otherOrder = new Int32Array(0);

  /**
   * Sorts the entries `from` to before `to` of `order` by one number of each point, the smallest first. Point `p` has
   * `values[p * stride + offset]`.
   */
  byColumn(order: Int32Array, from: number, to: number, values: Float64Array, stride: number, offset: number): void {
    const count = to - from;
    this.#reserve(count);
    const keys = this.#keys;
    for (let at = 0; at < count; at += 1) {
      keys[at] = values[(order[from + at] as number) * stride + offset] as number;
    }
    this.#insertRuns(order, from, count);
    this.#merge(order, from, count);
  }

  /** Sorts by the first of `dimensions` numbers, equal ones by the second, and so on. */
  lexicographically(order: Int32Array, from: number, to: number, points: Float64Array, dimensions: number): void {
    this.#lexicographicallyFrom(order, from, to, points, dimensions, 0);
  }

  #lexicographicallyFrom(
    order: Int32Array,
    from: number,
    to: number,
    points: Float64Array,
    dimensions: number,
    dimension: number,
  ): void {
    this.byColumn(order, from, to, points, dimensions, dimension);
    if (dimension + 1 === dimensions) return;
    let start = from;
    let value = points[(order[from] as number) * dimensions + dimension];
    for (let at = from + 1; at <= to; at += 1) {
      const next = at === to ? undefined : points[(order[at] as number) * dimensions + dimension];
      if (next === value) continue;
      if (at - start > 1) this.#lexicographicallyFrom(order, start, at, points, dimensions, dimension + 1);
      start = at;
      value = next;
    }
  }

  #insertRuns(order: Int32Array, from: number, count: number): void {
    const keys = this.#keys;
    for (let start = 0; start < count; start += RUN) {
      const end = Math.min(start + RUN, count);
      for (let at = start + 1; at < end; at += 1) {
        const key = keys[at] as number;
        const index = order[from + at] as number;
        let hole = at;
        while (hole > start && (keys[hole - 1] as number) > key) {
          keys[hole] = keys[hole - 1] as number;
          order[from + hole] = order[from + hole - 1] as number;
          hole -= 1;
        }
        keys[hole] = key;
        order[from + hole] = index;
      }
    }
  }

  #merge(order: Int32Array, from: number, count: number): void {
    let keys = this.#keys;
    let otherKeys = this.#otherKeys;
    let indices: Int32Array = order;
    let otherIndices: Int32Array = this.#otherOrder;
    let base = from;
    let otherBase = 0;
    for (let width = RUN; width < count; width *= 2) {
      for (let start = 0; start < count; start += 2 * width) {
        const middle = Math.min(start + width, count);
        const end = Math.min(start + 2 * width, count);
        let left = start;
        let right = middle;
        for (let at = start; at < end; at += 1) {
          const takesLeft = right >= end || (left < middle && (keys[left] as number) <= (keys[right] as number));
          const taken = takesLeft ? left++ : right++;
          otherKeys[at] = keys[taken] as number;
          otherIndices[otherBase + at] = indices[base + taken] as number;
        }
      }
      [keys, otherKeys] = [otherKeys, keys];
      [indices, otherIndices] = [otherIndices, indices];
      [base, otherBase] = [otherBase, base];
    }
    if (indices !== order) for (let at = 0; at < count; at += 1) order[from + at] = indices[at] as number;
  }

  #reserve(count: number): void {
    if (count <= this.#capacity) return;
    this.#capacity = Math.max(count, 2 * this.#capacity);
    this.#keys = new Float64Array(this.#capacity);
    this.#otherKeys = new Float64Array(this.#capacity);
    this.#otherOrder = new Int32Array(this.#capacity);
  }
}
