/** How near a number has to be to the published one. */
import assert from 'node:assert/strict';

/** By at most `tolerance`, as a share of the expected number where that is above 1. */
export function assertClose(actual: number, expected: number, tolerance: number, what: string): void {
  const allowed = tolerance * Math.max(1, Math.abs(expected));
  assert.ok(Math.abs(actual - expected) <= allowed, `${what} is ${actual}, not ${expected} to ${tolerance}`);
}
