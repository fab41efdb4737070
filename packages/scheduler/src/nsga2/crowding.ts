/**
 * Crowding distance: how far apart the neighbours of a point are along its front, in each objective as a share of the
 * front's range. Large is good. Source: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002.
 *
 * Two variants are in use. `sum` adds the shares up. `distinct-mean` takes their mean, and first leaves out all but one
 * of equal points, which get 0: copies do not displace others. The ends of each objective are infinitely good; an objective
 * in which all are equal counts for nothing.
 */
import { assertPoints, assertWholeNumber } from './checked-input.ts';
import { areEqual } from './dominance-table.ts';
import { IndexSorter } from './index-sort.ts';
import { NSGA2_LIMITS } from './limits.ts';

export const CROWDING_VARIANTS = ['sum', 'distinct-mean'] as const;
export type CrowdingVariant = (typeof CROWDING_VARIANTS)[number];

/** Keeps its memory between calls. */
export class CrowdingMeasure {
  readonly #sorter: IndexSorter;
  #members = new Int32Array(0);
  #column = new Int32Array(0);

  constructor(sorter = new IndexSorter()) {
    this.#sorter = sorter;
  }

  /**
   * Writes the distance of each point of a front into `distances`. The front are the entries `from` to before `to` of
   * `order`, in lexicographic order.
   */
  measure(
    points: Float64Array,
    dimensions: number,
    order: Int32Array,
    from: number,
    to: number,
    variant: CrowdingVariant,
    distances: Float64Array,
  ): void {
    if (this.#members.length < to - from) {
      this.#members = new Int32Array(to - from);
      this.#column = new Int32Array(to - from);
    }
    const count = this.#collect(points, dimensions, order, from, to, variant, distances);
    const members = this.#members;
    if (count <= 2) {
      for (let at = 0; at < count; at += 1) distances[members[at] as number] = Number.POSITIVE_INFINITY;
      return;
    }
    const share = variant === 'sum' ? 1 : 1 / dimensions;
    if (dimensions === 2 && fallsInSecond(points, members, count)) {
      addShares(points, 2, 0, members, count, share, distances);
      addShares(points, 2, 1, members, count, share, distances);
      return;
    }
    // Equals in one objective keep the order in which the points came.
    members.subarray(0, count).sort();
    for (let dimension = 0; dimension < dimensions; dimension += 1) {
      for (let at = 0; at < count; at += 1) this.#column[at] = members[at] as number;
      this.#sorter.byColumn(this.#column, 0, count, points, dimensions, dimension);
      addShares(points, dimensions, dimension, this.#column, count, share, distances);
    }
  }

  /** The points that count, into `#members`; all distances become 0. */
  #collect(
    points: Float64Array,
    dimensions: number,
    order: Int32Array,
    from: number,
    to: number,
    variant: CrowdingVariant,
    distances: Float64Array,
  ): number {
    let count = 0;
    for (let at = from; at < to; at += 1) {
      const index = order[at] as number;
      distances[index] = 0;
      if (variant === 'distinct-mean' && at > from && areEqual(points, order[at - 1] as number, index, dimensions))
        continue;
      this.#members[count++] = index;
    }
    return count;
  }
}

/**
 * Crowding distances of points that are taken as one front, in their order. Throws a `FogError` (`invalid-request`) for
 * numbers that are missing or not finite.
 */
export function crowdingDistances(
  points: Float64Array,
  count: number,
  dimensions: number,
  variant: CrowdingVariant,
): Float64Array {
  assertWholeNumber('objectives', dimensions, 1, NSGA2_LIMITS.objectives);
  assertWholeNumber('points', count, 0, NSGA2_LIMITS.points);
  assertPoints('points', points, count, dimensions);
  const sorter = new IndexSorter();
  const order = Int32Array.from({ length: count }, (_, index) => index);
  const distances = new Float64Array(count);
  if (count === 0) return distances;
  sorter.lexicographically(order, 0, count, points, dimensions);
  new CrowdingMeasure(sorter).measure(points, dimensions, order, 0, count, variant, distances);
  return distances;
}

/** In a front of two objectives the order of one is that of the other, backwards. */
function fallsInSecond(points: Float64Array, members: Int32Array, count: number): boolean {
  for (let at = 1; at < count; at += 1) {
    if (
      (points[2 * (members[at] as number) + 1] as number) >= (points[2 * (members[at - 1] as number) + 1] as number)
    ) {
      return false;
    }
  }
  return true;
}

function addShares(
  points: Float64Array,
  dimensions: number,
  dimension: number,
  sorted: Int32Array,
  count: number,
  share: number,
  distances: Float64Array,
): void {
  const first = sorted[0] as number;
  const last = sorted[count - 1] as number;
  const range = Math.abs(
    (points[last * dimensions + dimension] as number) - (points[first * dimensions + dimension] as number),
  );
  if (range === 0) return;
  distances[first] = Number.POSITIVE_INFINITY;
  distances[last] = Number.POSITIVE_INFINITY;
  const scale = share / range;
  for (let at = 1; at < count - 1; at += 1) {
    const index = sorted[at] as number;
    const before = points[(sorted[at - 1] as number) * dimensions + dimension] as number;
    const after = points[(sorted[at + 1] as number) * dimensions + dimension] as number;
    distances[index] = (distances[index] as number) + Math.abs(after - before) * scale;
  }
}
