/** What comes in from callers, checked once. */
import { FogError } from '@fog/contract';

/** Throws a `FogError` (`invalid-configuration`) unless `value` is a whole number from `least` to `most`. */
export function assertWholeNumber(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw outside(name, value, `a whole number from ${least} to ${most}`);
}

/** Throws a `FogError` (`invalid-configuration`) unless `value` is a number from `least` to `most`. */
export function assertNumber(name: string, value: number, least: number, most: number): void {
  if (value >= least && value <= most) return;
  throw outside(name, value, `a number from ${least} to ${most}`);
}

/**
 * Throws a `FogError` (`invalid-request`) unless the first `count` points of `dimensions` numbers each are there and
 * finite: a point with NaN neither dominates nor is dominated, and would be kept for ever.
 */
export function assertPoints(name: string, points: ArrayLike<number>, count: number, dimensions: number): void {
  const length = count * dimensions;
  if (points.length < length) {
    throw new FogError('invalid-request', `${name} holds ${points.length} numbers, fewer than ${count} points need`, {
      details: { name, length: points.length, count, dimensions },
      hint: `pass ${count} times ${dimensions} numbers, point after point`,
    });
  }
  for (let at = 0; at < length; at += 1) {
    if (!Number.isFinite(points[at])) throw notFinite(name, Math.floor(at / dimensions), points[at] as number);
  }
}

export function notFinite(name: string, point: number, value: number): FogError {
  return new FogError('invalid-request', `${name}: point ${point} has the value ${value}, which cannot be compared`, {
    details: { name, point },
    hint: 'make the evaluation return finite numbers, and tell of a fault as constraint violation',
  });
}

function outside(name: string, value: number, what: string): FogError {
  return new FogError('invalid-configuration', `${name} is ${value}, and must be ${what}`, { details: { name } });
}
