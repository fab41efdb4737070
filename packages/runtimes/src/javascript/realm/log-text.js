/** How a value looks in a log line: texts as they are, everything else in a short form of the literal. */

const MAXIMUM_DEPTH = 4;
const MAXIMUM_ENTRIES = 100;

function errorText(error) {
  return `${error.name}: ${error.message}`;
}

function objectText(value, depth, parents) {
  if (value instanceof Error) return errorText(value);
  if (parents.includes(value)) return '[Circular]';
  if (depth >= MAXIMUM_DEPTH) return Array.isArray(value) ? '[Array]' : '[Object]';
  const inner = (entry) => valueText(entry, depth + 1, [...parents, value]);
  const list = (entries) => {
    const shown = entries.slice(0, MAXIMUM_ENTRIES);
    return shown.join(', ') + (entries.length > shown.length ? `, ... ${entries.length - shown.length} more` : '');
  };
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof RegExp) return `${value}`;
  if (Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value)) {
    const entries = [];
    for (let index = 0; index < value.length && index <= MAXIMUM_ENTRIES; index += 1) entries.push(inner(value[index]));
    const more = value.length > entries.length ? `, ... ${value.length - entries.length} more` : '';
    return `[${entries.join(', ')}${more}]`;
  }
  if (value instanceof Map)
    return `Map {${list([...value].map(([key, entry]) => `${inner(key)} => ${inner(entry)}`))}}`;
  if (value instanceof Set) return `Set {${list([...value].map(inner))}}`;
  return `{${list(Object.keys(value).map((key) => `${key}: ${inner(value[key])}`))}}`;
}

function valueText(value, depth, parents) {
  if (typeof value === 'string') return depth === 0 ? value : JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'symbol') return value.toString();
  if (typeof value === 'function') return `[Function ${value.name}]`;
  if (typeof value === 'object' && value !== null) return objectText(value, depth, parents);
  return Object.is(value, -0) ? '-0' : `${value}`;
}

/** One line for the arguments of console.log; no format directives. */
export function logText(values) {
  const texts = [];
  for (const value of values) {
    try {
      texts.push(valueText(value, 0, []));
    } catch {
      texts.push('[a value that cannot be shown]');
    }
  }
  return `${texts.join(' ')}\n`;
}
