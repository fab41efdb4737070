/**
 * JSON of which there is one text for one value: keys in the order of their UTF-16 units, no spaces, whole numbers
 * only. What is signed is this text, whatever spelling the document came in. Source: RFC 8785, less its fractions.
 */
import { FogError } from '@fog/contract';
import { DIRECTORY_LIMITS } from './limits.ts';

/**
 * Throws a `FogError` (`not-serialisable`) for what it has no form for: fractions, numbers beyond 2^53, `undefined`,
 * text with halves of characters.
 */
export function canonicalJson(value: unknown): string {
  return textOf(value, 0);
}

function textOf(value: unknown, depth: number): string {
  if (depth > DIRECTORY_LIMITS.documentDepth) throw refusal(`more than ${DIRECTORY_LIMITS.documentDepth} levels`);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value === 0 ? 0 : value);
  if (typeof value === 'string' && value.isWellFormed()) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((entry) => textOf(entry, depth + 1)).join(',')}]`;
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, entry]) => `${textOf(key, depth)}:${textOf(entry, depth + 1)}`).join(',')}}`;
  }
  throw refusal(typeof value === 'number' ? `the number ${value}` : `a value of type ${typeof value}`);
}

function refusal(what: string): FogError {
  return new FogError('not-serialisable', `a signed document cannot hold ${what}`);
}
