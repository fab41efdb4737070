/**
 * Thins a front out: the most crowded point leaves, its neighbours move together, until as many are left as are wanted.
 *
 * In each objective the points are a chain from the best to the worst. Taking one out joins its neighbours, and only theirs
 * are the distances that change. The most crowded is found in a heap, so that n points cost O(M n log n).
 */
import type { IndexSorter } from './index-sort.ts';

export class Thinning {
  readonly #sorter: IndexSorter;
  #capacity = 0;
  #before = new Int32Array(0);
  #after = new Int32Array(0);
  #scales = new Float64Array(0);
  #column = new Int32Array(0);
  #values = new Float64Array(0);
  #distances = new Float64Array(0);
  /** Places of points, the most crowded at the top, and where in it each of them is. */
  #heap = new Int32Array(0);
  #heapPlaces = new Int32Array(0);

  constructor(sorter: IndexSorter) {
    this.#sorter = sorter;
  }

  /**
   * Brings the `keep` points that remain to the beginning of `front`, in their order, and writes their distances among
   * themselves into `distances`, as means of shares. Whoever has no distance yet, as copies do, leaves first; then, of
   * equally crowded points, the later one.
   */
  thin(points: Float64Array, dimensions: number, front: Int32Array, keep: number, distances: Float64Array): void {
    const distinct = copiesLast(front, distances);
    if (distinct > keep) this.#thinDistinct(points, dimensions, front.subarray(0, distinct), keep, distances);
  }

  #thinDistinct(
    points: Float64Array,
    dimensions: number,
    front: Int32Array,
    keep: number,
    distances: Float64Array,
  ): void {
    const count = front.length;
    this.#reserve(count, dimensions);
    this.#link(points, dimensions, front);
    for (let place = 0; place < count; place += 1) this.#distances[place] = this.#distanceOf(place, count, dimensions);
    for (let at = 0; at < count; at += 1) {
      this.#heap[at] = at;
      this.#heapPlaces[at] = at;
    }
    for (let at = (count >>> 1) - 1; at >= 0; at -= 1) this.#sink(at, count);
    for (let left = count; left > keep; left -= 1) this.#removeTop(left, count, dimensions);
    let kept = 0;
    for (let place = 0; place < count; place += 1) {
      if ((this.#heapPlaces[place] as number) < 0) continue;
      const index = front[place] as number;
      distances[index] = this.#distances[place] as number;
      front[kept++] = index;
    }
  }

  /** Chains of each objective; -1 is before the first and after the last. */
  #link(points: Float64Array, dimensions: number, front: Int32Array): void {
    const count = front.length;
    const values = this.#values;
    for (let place = 0; place < count; place += 1) {
      const point = (front[place] as number) * dimensions;
      for (let at = 0; at < dimensions; at += 1) values[at * count + place] = points[point + at] as number;
    }
    const column = this.#column;
    for (let dimension = 0; dimension < dimensions; dimension += 1) {
      const base = dimension * count;
      for (let place = 0; place < count; place += 1) column[place] = place;
      this.#sorter.byColumn(column, 0, count, values, 1, base);
      const range =
        (values[base + (column[count - 1] as number)] as number) - (values[base + (column[0] as number)] as number);
      this.#scales[dimension] = range === 0 ? 0 : 1 / (range * dimensions);
      for (let at = 0; at < count; at += 1) {
        const place = base + (column[at] as number);
        this.#before[place] = at === 0 ? -1 : (column[at - 1] as number);
        this.#after[place] = at === count - 1 ? -1 : (column[at + 1] as number);
      }
    }
  }

  #distanceOf(place: number, count: number, dimensions: number): number {
    let sum = 0;
    for (let dimension = 0; dimension < dimensions; dimension += 1) {
      const base = dimension * count;
      const scale = this.#scales[dimension] as number;
      const before = this.#before[base + place] as number;
      const after = this.#after[base + place] as number;
      if (scale === 0) continue;
      if (before < 0 || after < 0) return Number.POSITIVE_INFINITY;
      sum += ((this.#values[base + after] as number) - (this.#values[base + before] as number)) * scale;
    }
    return sum;
  }

  #removeTop(left: number, count: number, dimensions: number): void {
    const gone = this.#heap[0] as number;
    const last = this.#heap[left - 1] as number;
    this.#heap[0] = last;
    this.#heapPlaces[last] = 0;
    this.#heapPlaces[gone] = -1;
    this.#sink(0, left - 1);
    for (let dimension = 0; dimension < dimensions; dimension += 1) {
      const base = dimension * count;
      const before = this.#before[base + gone] as number;
      const after = this.#after[base + gone] as number;
      if (before >= 0) this.#after[base + before] = after;
      if (after >= 0) this.#before[base + after] = before;
    }
    for (let dimension = 0; dimension < dimensions; dimension += 1) {
      const base = dimension * count;
      this.#measureAgain(this.#before[base + gone] as number, left - 1, count, dimensions);
      this.#measureAgain(this.#after[base + gone] as number, left - 1, count, dimensions);
    }
  }

  /** Whoever loses a neighbour can only have more room than before. */
  #measureAgain(place: number, left: number, count: number, dimensions: number): void {
    if (place < 0) return;
    this.#distances[place] = this.#distanceOf(place, count, dimensions);
    this.#sink(this.#heapPlaces[place] as number, left);
  }

  #sink(from: number, size: number): void {
    const heap = this.#heap;
    const places = this.#heapPlaces;
    const place = heap[from] as number;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#leavesBefore(heap[child + 1] as number, heap[child] as number)) child += 1;
      if (!this.#leavesBefore(heap[child] as number, place)) break;
      heap[at] = heap[child] as number;
      places[heap[at] as number] = at;
      at = child;
    }
    heap[at] = place;
    places[place] = at;
  }

  #leavesBefore(left: number, right: number): boolean {
    const first = this.#distances[left] as number;
    const second = this.#distances[right] as number;
    return first < second || (first === second && left > right);
  }

  #reserve(count: number, dimensions: number): void {
    if (count <= this.#capacity && dimensions <= this.#scales.length) return;
    this.#capacity = Math.max(count, this.#capacity);
    this.#scales = new Float64Array(Math.max(dimensions, this.#scales.length));
    const links = this.#capacity * this.#scales.length;
    this.#before = new Int32Array(links);
    this.#after = new Int32Array(links);
    this.#values = new Float64Array(links);
    this.#column = new Int32Array(this.#capacity);
    this.#distances = new Float64Array(this.#capacity);
    this.#heap = new Int32Array(this.#capacity);
    this.#heapPlaces = new Int32Array(this.#capacity);
  }
}

/** Brings those that have a distance to the beginning, and returns how many they are. */
function copiesLast(front: Int32Array, distances: Float64Array): number {
  let count = 0;
  for (let at = 0; at < front.length; at += 1) {
    const index = front[at] as number;
    if (distances[index] === 0) continue;
    front[at] = front[count] as number;
    front[count++] = index;
  }
  return count;
}
