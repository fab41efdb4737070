/**
 * Hypervolume: the size of the space that a set of points dominates, up to a reference point. All objectives are
 * minimised; points that are not better than the reference in every objective count for nothing.
 *
 * Exact. Two objectives: one sweep. Three: a sweep through the third, over a staircase of the other two. More: the
 * recursion over exclusive contributions of While, Bradstreet and Barone, "A fast way of calculating exact hypervolumes",
 * 2012, down to three.
 */
import { assertPoints, assertWholeNumber } from './checked-input.ts';
import { type Cell, exclusiveVolume, volumeOf } from './hypervolume-recursion.ts';
import { NSGA2_LIMITS } from './limits.ts';

/**
 * Hypervolume of `count` points in a flat array. Throws a `FogError` (`invalid-request`) for numbers that are missing or
 * not finite, (`invalid-configuration`) for more points than limits allow.
 */
export function hypervolume(points: ArrayLike<number>, count: number, reference: ArrayLike<number>): number {
  return volumeOf(cellsOf(points, count, reference), reference.length);
}

/** What the hypervolume would lose without point `index`; 0 for one that is dominated or has a copy. */
export function exclusiveContribution(
  points: ArrayLike<number>,
  count: number,
  reference: ArrayLike<number>,
  index: number,
): number {
  assertWholeNumber('index', index, 0, count - 1);
  const cells = cellsOf(points, count, reference, false);
  return contributionOf(cells, index, reference.length);
}

/** The point whose exclusive contribution is the least, the first of several; -1 of none. */
export function leastContributor(points: ArrayLike<number>, count: number, reference: ArrayLike<number>): number {
  const contributions = exclusiveContributions(points, count, reference);
  return contributions.reduce(
    (least, value, at) => (least < 0 || value < (contributions[least] as number) ? at : least),
    -1,
  );
}

/** Exclusive contributions of all points. */
export function exclusiveContributions(
  points: ArrayLike<number>,
  count: number,
  reference: ArrayLike<number>,
): Float64Array {
  const cells = cellsOf(points, count, reference, false);
  return Float64Array.from({ length: count }, (_, index) => contributionOf(cells, index, reference.length));
}

function contributionOf(cells: readonly Cell[], index: number, dimensions: number): number {
  const own = cells[index] as Cell;
  if (!isInside(own)) return 0;
  return exclusiveVolume(
    own,
    cells.filter((cell, at) => at !== index && isInside(cell)),
    dimensions,
  );
}

/** Points as the extents of the boxes that they dominate: how far each is from the reference. */
function cellsOf(points: ArrayLike<number>, count: number, reference: ArrayLike<number>, isInsideOnly = true): Cell[] {
  const dimensions = reference.length;
  assertWholeNumber('objectives', dimensions, 1, NSGA2_LIMITS.objectives);
  assertWholeNumber('points', count, 0, dimensions > 3 ? NSGA2_LIMITS.hypervolumePoints : NSGA2_LIMITS.points);
  assertPoints('reference', reference, 1, dimensions);
  assertPoints('points', points, count, dimensions);
  const cells = Array.from({ length: count }, (_, index) =>
    Float64Array.from(
      { length: dimensions },
      (_unused, at) => (reference[at] as number) - (points[index * dimensions + at] as number),
    ),
  );
  return isInsideOnly ? cells.filter(isInside) : cells;
}

function isInside(cell: Cell): boolean {
  return cell.every((extent) => extent > 0);
}
