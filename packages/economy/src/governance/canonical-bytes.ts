/** Bytes that are hashed and signed: one sequence for one meaning, and none of one kind that is good for another. */
import { createHash } from 'node:crypto';
import { governanceFault } from './faults.ts';

export type CanonicalField = string | number | bigint;

const LENGTH_BYTES = 4;

/**
 * The domain, then each field, in front of each its length (4 bytes, big endian). Numbers are written in decimal digits.
 * Throws `invalid-request` for text with halves of characters, and for numbers that are not whole.
 */
export function canonicalBytes(domain: string, fields: readonly CanonicalField[]): Buffer {
  const parts = [domain, ...fields].map((field) => {
    const text = String(field);
    if (typeof field === 'number' && !Number.isSafeInteger(field)) {
      throw governanceFault('malformed', `${text} is not a whole number`);
    }
    if (!text.isWellFormed()) throw governanceFault('malformed', `${JSON.stringify(text)} holds half of a character`);
    const bytes = Buffer.from(text, 'utf8');
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  return Buffer.concat(parts.flat());
}

/** SHA-256 of them, hex. */
export function canonicalDigest(domain: string, fields: readonly CanonicalField[]): string {
  return createHash('sha256').update(canonicalBytes(domain, fields)).digest('hex');
}
