/**
 * SHA-256 over a label and fields, each with its length in front, so that two different rows of fields never have the
 * same bytes and a hash made for one purpose is of no use for another.
 */
import { createHash } from 'node:crypto';

/** Text is UTF-8; a number is a whole one, as 8 bytes; null is told from an empty field. */
export type HashField = string | number | Uint8Array | null;

/** Label and fields in a row: each as its length (4 bytes, big endian) and its bytes; null as a length of all ones. */
export function fieldBytes(label: string, fields: readonly HashField[]): Uint8Array {
  const parts = [label, ...fields].flatMap((field) => {
    const bytes = bytesOf(field);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes?.length ?? 0xffff_ffff);
    return bytes === null ? [length] : [length, bytes];
  });
  return new Uint8Array(Buffer.concat(parts));
}

/** 32 bytes. */
export function domainHash(label: string, fields: readonly HashField[]): Uint8Array {
  return new Uint8Array(createHash('sha256').update(fieldBytes(label, fields)).digest());
}

function bytesOf(field: HashField): Uint8Array | null {
  if (typeof field === 'string') return Buffer.from(field, 'utf8');
  if (typeof field !== 'number') return field;
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(field));
  return bytes;
}
