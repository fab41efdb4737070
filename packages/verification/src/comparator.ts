/**
 * When two results count as the same.
 *
 * `exact` compares digests and never reads bytes. `tolerance` reads both results as JSON. `script` is the user's own
 * program, which a trusted node runs; the coordinator asks it, never this package.
 *
 * A comparator need not be transitive: with a tolerance of 1, 0 agrees with 1 and 1 with 2, but 0 not with 2. So there
 * are no classes to fall into. A result is judged against one other, the canonical one (`quorum.ts`): what agrees with
 * it is valid, the rest is not. Two valid results may differ by twice the tolerance, and never by more. A comparator
 * that answers differently when its arguments are swapped agrees only if both answers are yes.
 */
import type { Tolerance } from '@fog/contract';
import { VERIFICATION_LIMITS } from './limits.ts';

/** Pure; never throws: what cannot be compared does not agree. */
export type Comparator = (left: Uint8Array, right: Uint8Array) => boolean;

export const exactly: Comparator = (left, right) => Buffer.compare(left, right) === 0;

/**
 * Both are JSON of the same shape; numbers differ by at most `absolute`, or by at most `relative` of the larger one;
 * all else is equal. Order of keys does not count. Equal bytes agree even when they are no JSON.
 */
export function withinTolerance(tolerance: Tolerance): Comparator {
  return (left, right) => {
    if (exactly(left, right)) return true;
    const parsed = [parseJson(left), parseJson(right)] as const;
    return parsed[0] !== null && parsed[1] !== null && agrees(parsed[0].value, parsed[1].value, tolerance, 0);
  };
}

function agrees(left: unknown, right: unknown, tolerance: Tolerance, depth: number): boolean {
  if (depth > VERIFICATION_LIMITS.comparedDepth) return false;
  if (typeof left === 'number' && typeof right === 'number') {
    // `1e999` is read as infinity, and a share of infinity would allow everything.
    if (left === right || !Number.isFinite(left) || !Number.isFinite(right)) return left === right;
    const allowed = Math.max(tolerance.absolute, tolerance.relative * Math.max(Math.abs(left), Math.abs(right)));
    return Math.abs(left - right) <= allowed;
  }
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, at) => agrees(item, right[at], tolerance, depth + 1));
  }
  if (isRecord(left) && isRecord(right)) {
    const keys = Object.keys(left);
    return (
      keys.length === Object.keys(right).length &&
      keys.every((key) => Object.hasOwn(right, key) && agrees(left[key], right[key], tolerance, depth + 1))
    );
  }
  return left === right;
}

function parseJson(bytes: Uint8Array): { value: unknown } | null {
  if (bytes.length > VERIFICATION_LIMITS.comparedBytes) return null;
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) };
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
