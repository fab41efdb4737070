/** Bytes of several fields in a row, such that two different rows never have the same bytes. */
import { FogError } from '@fog/contract';

export type Field = string | Uint8Array;

const LENGTH_BYTES = 4;

/**
 * Each field as its length (4 bytes, big endian) and its bytes; text as UTF-8. Throws `invalid-request` for text with
 * halves of characters: UTF-8 has no place for them, so two texts would become one.
 */
export function lengthPrefixed(fields: readonly Field[]): Buffer {
  const parts = fields.map((field) => (typeof field === 'string' ? utf8(field) : field));
  const row = Buffer.allocUnsafe(parts.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0));
  let at = 0;
  for (const part of parts) {
    at = row.writeUInt32BE(part.length, at);
    row.set(part, at);
    at += part.length;
  }
  return row;
}

/** Whole numbers as 8 bytes, big endian, two's complement. Throws `invalid-request` for any other number. */
export function integerBytes(value: number): Buffer {
  if (!Number.isSafeInteger(value)) throw new FogError('invalid-request', `${value} is not a whole number`);
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

function utf8(text: string): Buffer {
  if (!text.isWellFormed()) {
    throw new FogError('invalid-request', `${JSON.stringify(text)} holds half of a character`);
  }
  return Buffer.from(text, 'utf8');
}
