/**
 * Reading JSON of a cluster: whoever answered may be a proxy, an older version or broken, so every field is looked at
 * before it is used, and what has another type counts as absent.
 */

export type Fields = Readonly<Record<string, unknown>>;

export function record(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** The objects of a list; anything else in it is left out. */
export function records(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'object' && item !== null) : [];
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function integer(value: unknown): number | null {
  return Number.isSafeInteger(value) ? (value as number) : null;
}

/** Milliseconds since 1970, or null for what is no time, and for the zero times that Kubernetes writes for "never". */
export function time(value: unknown): number | null {
  const milliseconds = Date.parse(text(value));
  return Number.isNaN(milliseconds) || milliseconds <= 0 ? null : milliseconds;
}

export function nameOf(object: Fields): string {
  return text(record(object.metadata).name);
}

export function labelOf(object: Fields, label: string): string {
  return text(record(record(object.metadata).labels)[label]);
}

/** Words of another program as part of one sentence: a single line without control characters, at most 300 long. */
export function oneLine(words: string): string {
  const flat = words.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  return flat.length > 300 ? `${flat.slice(0, 299)}…` : flat;
}
