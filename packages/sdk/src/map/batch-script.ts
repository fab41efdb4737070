/**
 * The script around a mapped function: reads a batch, calls the function item by item, writes the results.
 *
 * It is the same for every batch of a map, so its blob is uploaded once and cached by the nodes; the context travels
 * inside it. `random` is seeded by the map and the index of the item, never by the batch: how items were batched
 * cannot be seen in the results.
 */
import { FogError } from '@fog/contract';
import { SDK_LIMITS } from '../limits.ts';
import { BYTES_PATH } from './batch-frames.ts';

export interface BatchScriptParts {
  /** A function expression that uses nothing from outside. */
  source: string;
  /** JSON text, or undefined where no context was given. */
  contextText: string | undefined;
  seed: number;
  /** Go on after an item failed. */
  collectErrors: boolean;
}

/** Throws `body-too-large` when source and context exceed `SDK_LIMITS.scriptBytes`. */
export function batchScript({ source, contextText, seed, collectErrors }: BatchScriptParts): string {
  const context = contextText === undefined ? 'undefined' : `freeze(JSON.parse(${JSON.stringify(contextText)}))`;
  const script = `const fn = (${source}
);
${RUNNER}
export default (input, ctx) => run(input, ctx, { context: ${context}, seed: ${seed}, collect: ${collectErrors} });
`;
  const bytes = Buffer.byteLength(script);
  if (bytes > SDK_LIMITS.scriptBytes) {
    throw new FogError('body-too-large', `the function and its context have ${bytes} bytes`, {
      hint: `at most ${SDK_LIMITS.scriptBytes} travel; pass large data as items`,
    });
  }
  return script;
}

/**
 * Text, not a function of this module: coverage tools and bundlers rewrite functions, and what they add would not
 * exist over there. mulberry32 (Tommy Ettinger, public domain) is the generator behind `random`.
 */
const RUNNER = `
function freeze(value) {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  return value;
}
function createRandom(seed, index) {
  let state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35)) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
function notJson(value, path, depth) {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return null;
  if (typeof value === 'number') return Number.isFinite(value) ? null : String(value) + path;
  if (value === undefined) return 'undefined' + path;
  if (typeof value !== 'object') return 'a ' + typeof value + path;
  if (depth > 1000) return 'a circle, or nesting deeper than 1000';
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const fault = notJson(value[index], path + ' at [' + index + ']', depth + 1);
      if (fault !== null) return fault;
    }
    return null;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    return 'a ' + ((value.constructor && value.constructor.name) || 'class instance') + path;
  }
  for (const [key, nested] of Object.entries(value)) {
    const fault = nested === undefined ? null : notJson(nested, path + ' at ' + key, depth + 1);
    if (fault !== null) return fault;
  }
  return null;
}
function errorOf(thrown) {
  const isError = typeof thrown === 'object' && thrown !== null && 'message' in thrown;
  const name = isError && typeof thrown.name === 'string' ? thrown.name : 'Error';
  let message;
  try {
    message = String(isError ? thrown.message : thrown);
  } catch {
    message = 'a value that cannot be shown';
  }
  return { name, message: message.slice(0, 4096), notSerialisable: false };
}
async function run(input, host, { context, seed, collect }) {
  const { start, items } = input;
  let offset = 0;
  const all = input.bytes.length > 0 ? input.files['${BYTES_PATH}'].data() : null;
  for (const [place, length] of input.bytes) {
    items[place] = all.slice(offset, offset + length);
    offset += length;
  }
  const values = [];
  const bytes = [];
  const errors = [];
  const parts = [];
  for (let place = 0; place < items.length; place += 1) {
    const index = start + place;
    try {
      const ctx = { context, index, random: createRandom(seed, index), log: host.log };
      const value = await fn(items[place], ctx);
      if (value instanceof Uint8Array) {
        bytes.push([place, value.length]);
        parts.push(value);
        values.push(null);
        continue;
      }
      const fault = notJson(value, '', 0);
      values.push(fault === null ? value : null);
      if (fault !== null) errors.push([place, { name: 'TypeError', message: fault, notSerialisable: true }]);
    } catch (thrown) {
      values.push(null);
      errors.push([place, errorOf(thrown)]);
    }
    if (errors.length > 0 && !collect) break;
  }
  const header = { values, bytes, errors };
  if (parts.length === 0) return header;
  const text = new TextEncoder().encode(JSON.stringify(header));
  const result = new Uint8Array(5 + text.length + parts.reduce((sum, part) => sum + part.length, 0));
  new DataView(result.buffer).setUint32(1, text.length, true);
  result.set(text, 5);
  let end = 5 + text.length;
  for (const part of parts) {
    result.set(part, end);
    end += part.length;
  }
  return result;
}`;
