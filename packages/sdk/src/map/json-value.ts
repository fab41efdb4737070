/** What may travel: JSON, or bytes. */
import { FogError } from '@fog/contract';

const MOST_DEPTH = 1000;

/**
 * The JSON text of a value. Throws `not-serialisable` where `JSON.stringify` would silently make something else of
 * it: NaN, dates, maps, class instances, functions, bigints, undefined in an array. Properties that are undefined are
 * left out, as everywhere in JavaScript.
 */
export function jsonText(value: unknown, what: string, details: Record<string, unknown> = {}): string {
  const fault = notJson(value, '', []);
  if (fault !== null) {
    const place = fault.path === '' ? '' : ` at ${fault.path}`;
    throw new FogError('not-serialisable', `${what} is not JSON: ${fault.found}${place}`, {
      details: { ...details, path: fault.path, found: fault.found },
      hint: 'JSON values and Uint8Array travel; convert dates, maps and class instances first',
    });
  }
  return JSON.stringify(value);
}

function notJson(value: unknown, path: string, parents: object[]): { path: string; found: string } | null {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return null;
  if (typeof value === 'number') return Number.isFinite(value) ? null : { path, found: String(value) };
  if (typeof value !== 'object') return { path, found: value === undefined ? 'undefined' : `a ${typeof value}` };
  if (parents.includes(value)) return { path, found: 'a circle' };
  if (parents.length > MOST_DEPTH) return { path: '', found: `nesting deeper than ${MOST_DEPTH}` };
  const inside = [...parents, value];
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const fault = notJson(value[index], `${path}[${index}]`, inside);
      if (fault !== null) return fault;
    }
    return null;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    return { path, found: `a ${(value as { constructor?: { name?: string } }).constructor?.name || 'class instance'}` };
  }
  for (const [key, nested] of Object.entries(value)) {
    if (nested === undefined) continue;
    const fault = notJson(nested, path === '' ? key : `${path}.${key}`, inside);
    if (fault !== null) return fault;
  }
  return null;
}
