/** Who is better than whom, for callers: points lie one after the other in flat arrays, all objectives are minimised. */
import { FogError } from '@fog/contract';
import { assertPoints, assertWholeNumber } from './checked-input.ts';
import { NSGA2_LIMITS } from './limits.ts';
import { NondominatedSorter } from './nondominated-sort.ts';

/** Whether `left` is nowhere worse than `right` and somewhere better. Both have the same number of objectives. */
export function dominates(left: ArrayLike<number>, right: ArrayLike<number>): boolean {
  let isBetter = false;
  for (let at = 0; at < left.length; at += 1) {
    const first = left[at] as number;
    const second = right[at] as number;
    if (!(first <= second)) return false;
    if (first < second) isBetter = true;
  }
  return isBetter;
}

/** The same under constraints: less violation is better, and only among those with none do objectives count. */
export function constrainedDominates(
  left: ArrayLike<number>,
  leftViolation: number,
  right: ArrayLike<number>,
  rightViolation: number,
): boolean {
  if (leftViolation > 0 || rightViolation > 0) return leftViolation < rightViolation;
  return dominates(left, right);
}

/**
 * The front of each point, the best being 0. Throws a `FogError` (`invalid-request`) for numbers that are missing or not
 * finite.
 */
export function nondominatedRanks(points: Float64Array, count: number, dimensions: number): Int32Array {
  assertWholeNumber('objectives', dimensions, 1, NSGA2_LIMITS.objectives);
  assertWholeNumber('points', count, 0, NSGA2_LIMITS.points);
  assertPoints('points', points, count, dimensions);
  const ranks = new Int32Array(count);
  new NondominatedSorter().rank(points, count, dimensions, ranks, new Int32Array(count));
  return ranks;
}

/** The least of each objective. Throws a `FogError` (`invalid-request`) for an empty set. */
export function idealPoint(points: Float64Array, count: number, dimensions: number): Float64Array {
  const all = Int32Array.from({ length: count }, (_, index) => index);
  return extremes(points, all, dimensions, Math.min);
}

/** The greatest of each objective among the points that nothing dominates. Errors as of `idealPoint`. */
export function nadirPoint(points: Float64Array, count: number, dimensions: number): Float64Array {
  const ranks = nondominatedRanks(points, count, dimensions);
  const first = Int32Array.from({ length: count }, (_, index) => index).filter((index) => ranks[index] === 0);
  return extremes(points, first, dimensions, Math.max);
}

function extremes(
  points: Float64Array,
  indices: Int32Array,
  dimensions: number,
  choose: (left: number, right: number) => number,
): Float64Array {
  if (indices.length === 0)
    throw new FogError('invalid-request', 'an empty set has neither an ideal nor a nadir point');
  assertPoints(
    'points',
    points,
    indices.reduce((most, index) => Math.max(most, index + 1), 0),
    dimensions,
  );
  return Float64Array.from({ length: dimensions }, (_, at) =>
    indices.reduce(
      (extreme, index) => choose(extreme, points[index * dimensions + at] as number),
      points[(indices[0] as number) * dimensions + at] as number,
    ),
  );
}
