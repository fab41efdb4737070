/**
 * Sorting into fronts: the first holds what nothing dominates, the next what only points of the first dominate, and so
 * on. All objectives are minimised; equal points do not dominate each other and share a front.
 *
 * How it is done goes by the objectives: one, by order; two, in one sweep of the lexicographic order, O(N log N); three
 * and more, by a table of bits (`dominance-table.ts`), at once or in blocks, whichever fits its memory.
 */
import { areEqual, DominanceTable } from './dominance-table.ts';
import { IndexSorter } from './index-sort.ts';

/** Keeps its memory between calls. */
export class NondominatedSorter {
  readonly sorter = new IndexSorter();
  readonly #table = new DominanceTable(this.sorter);
  #tails = new Float64Array(0);

  /**
   * Writes the front of each of the points into `ranks`, the best being 0, and returns how many fronts there are. The
   * numbers are finite. `order` gets the points in lexicographic order.
   */
  rank(points: Float64Array, count: number, dimensions: number, ranks: Int32Array, order: Int32Array): number {
    for (let point = 0; point < count; point += 1) order[point] = point;
    return this.rankSome(points, count, dimensions, ranks, order);
  }

  /** The same for those points alone that the first `count` entries of `order` name. */
  rankSome(points: Float64Array, count: number, dimensions: number, ranks: Int32Array, order: Int32Array): number {
    if (count === 0) return 0;
    this.sorter.lexicographically(order, 0, count, points, dimensions);
    if (dimensions === 1) return rankOneObjective(points, order, count, ranks);
    if (dimensions > 2) return this.#table.rank(points, order, count, dimensions, ranks);
    if (this.#tails.length < count) this.#tails = new Float64Array(count);
    return rankTwoObjectives(points, order, count, ranks, this.#tails);
  }
}

function rankOneObjective(points: Float64Array, order: Int32Array, count: number, ranks: Int32Array): number {
  let rank = 0;
  for (let place = 0; place < count; place += 1) {
    const index = order[place] as number;
    if (place > 0 && points[index] !== points[order[place - 1] as number]) rank += 1;
    ranks[index] = rank;
  }
  return rank + 1;
}

/**
 * Of each front the last point is the best so far in the second objective, and the later fronts are the worse in it: a
 * point belongs to the first front whose last point is worse than it.
 */
function rankTwoObjectives(
  points: Float64Array,
  order: Int32Array,
  count: number,
  ranks: Int32Array,
  tails: Float64Array,
): number {
  let fronts = 0;
  for (let place = 0; place < count; place += 1) {
    const index = order[place] as number;
    const before = place === 0 ? -1 : (order[place - 1] as number);
    if (before >= 0 && areEqual(points, before, index, 2)) {
      ranks[index] = ranks[before] as number;
      continue;
    }
    const second = points[2 * index + 1] as number;
    let low = 0;
    let high = fronts;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((tails[middle] as number) > second) high = middle;
      else low = middle + 1;
    }
    tails[low] = second;
    ranks[index] = low;
    if (low === fronts) fronts += 1;
  }
  return fronts;
}
