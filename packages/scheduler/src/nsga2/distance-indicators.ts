/**
 * How far a set of points is from a reference front: means of distances to the nearest point. All objectives are
 * minimised; points lie one after the other in flat arrays.
 *
 * Sources: Van Veldhuizen, 1999 (GD); Coello Coello and Reyes Sierra, 2004 (IGD); Ishibuchi, Masuda, Tanigaki and Nojima,
 * "Modified distance calculation in generational distance and inverted generational distance", 2015 (IGD+).
 */
import { FogError } from '@fog/contract';
import { assertPoints, assertWholeNumber } from './checked-input.ts';
import { NSGA2_LIMITS } from './limits.ts';

/** Of each point its distance to the front, on average. Throws a `FogError` (`invalid-request`) for an empty set. */
export function generationalDistance(points: ArrayLike<number>, front: ArrayLike<number>, dimensions: number): number {
  return meanNearest(points, front, dimensions, (point, reference) => reference - point);
}

/** Of each point of the front its distance to the set, on average. */
export function invertedGenerationalDistance(
  points: ArrayLike<number>,
  front: ArrayLike<number>,
  dimensions: number,
): number {
  return meanNearest(front, points, dimensions, (reference, point) => point - reference);
}

/** The same, but a point that is better than the front in an objective is not further away for it. */
export function invertedGenerationalDistancePlus(
  points: ArrayLike<number>,
  front: ArrayLike<number>,
  dimensions: number,
): number {
  return meanNearest(front, points, dimensions, (reference, point) => Math.max(0, point - reference));
}

function meanNearest(
  from: ArrayLike<number>,
  to: ArrayLike<number>,
  dimensions: number,
  differ: (from: number, to: number) => number,
): number {
  assertWholeNumber('objectives', dimensions, 1, NSGA2_LIMITS.objectives);
  const count = from.length / dimensions;
  const others = to.length / dimensions;
  for (const [name, amount] of [
    ['points', count],
    ['front', others],
  ] as const) {
    if (amount === 0) {
      throw new FogError('invalid-request', `there is no distance between sets of which one is empty`, {
        hint: 'pass one point at least, and one of the front',
      });
    }
    assertWholeNumber(name, amount, 1, NSGA2_LIMITS.points);
  }
  assertPoints('points', from, count, dimensions);
  assertPoints('front', to, others, dimensions);
  let sum = 0;
  for (let point = 0; point < count; point += 1) {
    let nearest = Number.POSITIVE_INFINITY;
    for (let other = 0; other < others; other += 1) {
      let square = 0;
      for (let at = 0; at < dimensions; at += 1) {
        const difference = differ(from[point * dimensions + at] as number, to[other * dimensions + at] as number);
        square += difference * difference;
      }
      if (square < nearest) nearest = square;
    }
    sum += Math.sqrt(nearest);
  }
  return sum / count;
}
