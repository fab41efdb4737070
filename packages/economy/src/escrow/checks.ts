/** Whether what comes in is what it says. All throw `invalid-request`. */
import { FogError } from '@fog/contract';
import { ESCROW_LIMITS } from './limits.ts';

/** Whole number from `least` to `most`. */
export function assertNumber(
  value: number,
  { least = 0, most = ESCROW_LIMITS.number, what }: { least?: number; most?: number; what: string },
): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new FogError('invalid-request', `${what} is ${value}; it has to be a whole number from ${least} to ${most}`, {
    details: { what, least, most },
    hint: 'give a whole number in this range',
  });
}

/** Text of 1 to `nameBytes` bytes. */
export function assertName(name: string, what: string): void {
  if (typeof name === 'string' && name !== '' && isShort(name)) return;
  throw new FogError('invalid-request', `${what} has to be a text of 1 to ${ESCROW_LIMITS.nameBytes} bytes`, {
    details: { what },
    hint: 'name it',
  });
}

/** A character takes three bytes at most: most names need no counting. */
function isShort(name: string): boolean {
  return name.length * 3 <= ESCROW_LIMITS.nameBytes || Buffer.byteLength(name) <= ESCROW_LIMITS.nameBytes;
}

export function assertOneOf<Value extends string | null>(value: Value, among: readonly Value[], what: string): void {
  if (among.includes(value)) return;
  throw new FogError('invalid-request', `${what} is ${JSON.stringify(value)}`, {
    details: { what },
    hint: `it is one of ${among.join(', ')}`,
  });
}

export function assertList(list: readonly unknown[], most: number, what: string): void {
  if (Array.isArray(list) && list.length <= most) return;
  throw new FogError('invalid-request', `${what}: more than ${most}, or no list`, {
    details: { what, most },
    hint: `give at most ${most}`,
  });
}

/** What an object has to have, neither less nor more. */
export function assertFields(value: unknown, names: readonly string[], what: string): void {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const found = isObject ? Object.keys(value) : [];
  if (isObject && found.length === names.length && names.every((name) => found.includes(name))) return;
  throw new FogError('invalid-request', `${what} does not have the fields ${names.join(', ')}, and no other`, {
    details: { what, fields: found.slice(0, names.length + 1) },
    hint: 'it was written by another version, or damaged',
  });
}

/** JSON in which amounts are texts. */
export function textOf(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) => (typeof field === 'bigint' ? String(field) : field));
}

export function objectOf(text: string, what: string): Record<string, unknown> {
  const size = Buffer.byteLength(text);
  let value: unknown = null;
  try {
    value = size > ESCROW_LIMITS.textBytes ? null : JSON.parse(text);
  } catch {
    // Told below.
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new FogError('invalid-request', `${what}: no JSON object of at most ${ESCROW_LIMITS.textBytes} bytes`, {
    details: { what, bytes: size },
    hint: 'it was written by another version, or damaged',
  });
}

/** An amount that was written as text. Anything else becomes -1, which no check lets through. */
export function amountOf(value: unknown): bigint {
  return typeof value === 'string' && /^(0|[1-9]\d{0,38})$/.test(value) ? BigInt(value) : -1n;
}
