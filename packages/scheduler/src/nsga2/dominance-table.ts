/**
 * Fronts of points with three objectives or more.
 *
 * The points are numbered in lexicographic order, so that none is dominated by a later one. For each objective they are
 * gone through from the best to the worst, and a row of bits remembers who has been seen; a point that is dominated has
 * its dominators among them, in every objective. What is left of a point's row after an AND with each of these are its
 * dominators, 32 in one step. A point then belongs to the first front in which none of them is.
 *
 * The first objective needs no row, since the order is its own. Time: (objectives - 1) x N^2 / 64 steps. Memory is
 * bounded: rows are made in blocks, and what a block needs of earlier points are their fronts alone, as lists of words in
 * which they have bits.
 */
import type { IndexSorter } from './index-sort.ts';
import { NSGA2_LIMITS } from './limits.ts';

const WORD_BITS = 32;

export class DominanceTable {
  readonly #sorter: IndexSorter;
  /** Of each objective the points, as places in the lexicographic order, from the best to the worst. */
  #orders = new Int32Array(0);
  /** The same as `#orders`, for each place its group of equals. */
  #groupEnds = new Int32Array(0);
  #sorted = new Float64Array(0);
  #rows = new Int32Array(0);
  #seen = new Int32Array(0);
  /** Of each front its last word; each word knows the one before it. */
  #lastWords = new Int32Array(0);
  #wordsBefore = new Int32Array(0);
  #wordPlaces = new Int32Array(0);
  #wordBits = new Int32Array(0);
  #wordCount = 0;
  #frontCount = 0;

  constructor(sorter: IndexSorter) {
    this.#sorter = sorter;
  }

  /**
   * Writes the front of each point into `ranks`, the best being 0, and returns how many fronts there are. `order` holds
   * the points in lexicographic order.
   */
  rank(points: Float64Array, order: Int32Array, count: number, dimensions: number, ranks: Int32Array): number {
    this.#sortColumns(points, order, count, dimensions);
    const words = Math.ceil(count / WORD_BITS);
    const fitting = Math.floor(NSGA2_LIMITS.dominanceTableBytes / (4 * words));
    const block = Math.min(count, Math.max(1, fitting));
    this.#reserve(count, words, block);
    this.#wordCount = 0;
    this.#frontCount = 0;
    for (let first = 0; first < count; first += block) {
      const last = Math.min(count, first + block);
      this.#fillRows(first, last, count, dimensions);
      for (let place = first; place < last; place += 1) {
        const index = order[place] as number;
        const before = place === 0 ? -1 : (order[place - 1] as number);
        const isCopy = before >= 0 && areEqual(points, before, index, dimensions);
        const rank = isCopy ? (ranks[before] as number) : this.#firstFreeFront((place - first) * words);
        this.#enter(rank, place);
        ranks[index] = rank;
      }
    }
    return this.#frontCount;
  }

  #reserve(count: number, words: number, block: number): void {
    if (this.#rows.length < block * words) this.#rows = new Int32Array(block * words);
    if (this.#seen.length < words) this.#seen = new Int32Array(words);
    if (this.#lastWords.length >= count) return;
    this.#lastWords = new Int32Array(count);
    this.#wordsBefore = new Int32Array(count);
    this.#wordPlaces = new Int32Array(count);
    this.#wordBits = new Int32Array(count);
  }

  #sortColumns(points: Float64Array, order: Int32Array, count: number, dimensions: number): void {
    if (this.#sorted.length < count * dimensions) {
      this.#sorted = new Float64Array(count * dimensions);
      this.#orders = new Int32Array(count * dimensions);
      this.#groupEnds = new Int32Array(count * dimensions);
    }
    const sorted = this.#sorted;
    for (let place = 0; place < count; place += 1) {
      const point = (order[place] as number) * dimensions;
      for (let at = 0; at < dimensions; at += 1) sorted[place * dimensions + at] = points[point + at] as number;
    }
    for (let dimension = 1; dimension < dimensions; dimension += 1) {
      const from = dimension * count;
      for (let place = 0; place < count; place += 1) this.#orders[from + place] = place;
      this.#sorter.byColumn(this.#orders, from, from + count, sorted, dimensions, dimension);
      let end = count;
      for (let place = count - 1; place >= 0; place -= 1) {
        this.#groupEnds[from + place] = end;
        if (place === 0) break;
        const value = sorted[(this.#orders[from + place] as number) * dimensions + dimension];
        if (sorted[(this.#orders[from + place - 1] as number) * dimensions + dimension] !== value) end = place;
      }
    }
  }

  /** A row has the bits of all points that are nowhere worse, itself and its equals among them. */
  #fillRows(first: number, last: number, count: number, dimensions: number): void {
    const words = Math.ceil(count / WORD_BITS);
    const rows = this.#rows;
    const seen = this.#seen;
    for (let dimension = 1; dimension < dimensions; dimension += 1) {
      seen.fill(0, 0, words);
      const from = dimension * count;
      let next = 0;
      for (let at = 0; at < count; at += 1) {
        const place = this.#orders[from + at] as number;
        const end = this.#groupEnds[from + at] as number;
        for (; next < end; next += 1) {
          const other = this.#orders[from + next] as number;
          // Later points never dominate an earlier one.
          if (other < last) seen[other >>> 5] = (seen[other >>> 5] as number) | (1 << (other & 31));
        }
        if (place < first || place >= last) continue;
        const start = (place - first) * words;
        const used = (place >>> 5) + 1;
        if (dimension === 1) {
          for (let word = 0; word < used; word += 1) rows[start + word] = seen[word] as number;
        } else {
          for (let word = 0; word < used; word += 1) {
            rows[start + word] = (rows[start + word] as number) & (seen[word] as number);
          }
        }
      }
    }
  }

  /** Whoever is dominated by a point of one front is dominated by one of each front before it. */
  #firstFreeFront(start: number): number {
    let low = 0;
    let high = this.#frontCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#meets(start, middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether the row that begins at `start` has a bit of the front. */
  #meets(start: number, front: number): boolean {
    const rows = this.#rows;
    const places = this.#wordPlaces;
    const bits = this.#wordBits;
    const before = this.#wordsBefore;
    for (let word = this.#lastWords[front] as number; word >= 0; word = before[word] as number) {
      if (((rows[start + (places[word] as number)] as number) & (bits[word] as number)) !== 0) return true;
    }
    return false;
  }

  #enter(front: number, place: number): void {
    if (front === this.#frontCount) {
      this.#lastWords[front] = -1;
      this.#frontCount += 1;
    }
    let word = this.#lastWords[front] as number;
    if (word < 0 || this.#wordPlaces[word] !== place >>> 5) {
      this.#wordsBefore[this.#wordCount] = word;
      word = this.#wordCount;
      this.#wordPlaces[word] = place >>> 5;
      this.#wordBits[word] = 0;
      this.#lastWords[front] = word;
      this.#wordCount += 1;
    }
    this.#wordBits[word] = (this.#wordBits[word] as number) | (1 << (place & 31));
  }
}

/** Whether two points of a flat array have the same numbers. */
export function areEqual(points: Float64Array, left: number, right: number, dimensions: number): boolean {
  for (let at = 0; at < dimensions; at += 1) {
    if (points[left * dimensions + at] !== points[right * dimensions + at]) return false;
  }
  return true;
}
