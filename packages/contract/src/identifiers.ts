/** Names of things: job ids, node ids, digests. */
import { z } from 'zod';

/** A content address: the SHA-256 of the bytes, in lower-case hex. */
export const digestSchema = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: followed by 64 lower-case hex digits')
  .meta({ description: 'Content address: sha256: and 64 lower-case hex digits' });
export type Digest = z.infer<typeof digestSchema>;
/** Where a specification names one; a person may write the path of a file there. */
export const blobDigest = digestSchema.meta({ description: 'Digest of a blob' });

export const jobIdSchema = z.string().regex(/^j[0-9a-hjkmnp-tv-z]{18}$/, 'is not a job id');
export const nodeIdSchema = z.string().regex(/^n[0-9a-f]{32}$/, 'is not a node id');
export const tokenIdSchema = z.string().regex(/^t[0-9a-hjkmnp-tv-z]{18}$/, 'is not a token id');
/** Names that people choose: namespaces, secrets, outputs, principals. */
export const nameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
    'must be 1 to 63 letters, digits, dots, dashes or underscores',
  )
  .meta({ description: '1 to 63 letters, digits, dots, dashes or underscores' });

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz';

/** Milliseconds since 1970 at which the id was made; 0 for what is none. */
export function timeOfId(id: string): number {
  let time = 0;
  for (const character of id.slice(1, 10)) time = time * 32 + Math.max(0, CROCKFORD.indexOf(character));
  return id.length < 10 ? 0 : time;
}

/**
 * A new id: the prefix, 9 characters of time (milliseconds, sortable until 2527+) and 9 of randomness (45 bits),
 * in Crockford base 32.
 */
export function newId(prefix: 'j' | 't', nowMilliseconds: number, randomBytes: Uint8Array): string {
  let time = '';
  let rest = nowMilliseconds;
  for (let index = 0; index < 9; index += 1) {
    time = CROCKFORD.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  let random = '';
  for (let index = 0; index < 9; index += 1) random += CROCKFORD.charAt((randomBytes[index] ?? 0) % 32);
  return prefix + time + random;
}
