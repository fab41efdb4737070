/** ChaCha20-Poly1305 by node:crypto. Source: RFC 8439, section 2.8. */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { KEY_BYTES, MAC_BYTES } from './primitives.ts';

const CIPHER = 'chacha20-poly1305';
const OPTIONS = { authTagLength: MAC_BYTES };
export const NONCE_BYTES = 12;

/** What a text became: joined, they are a message. */
export interface SealedText {
  ciphertext: Buffer;
  tag: Buffer;
}

/** Throws a `RangeError` when key or nonce have not 32 and 12 bytes. */
export function sealText(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associatedData: Uint8Array,
): SealedText {
  assertLengths(key, nonce);
  const cipher = createCipheriv(CIPHER, key, nonce, OPTIONS);
  if (associatedData.length > 0) cipher.setAAD(associatedData);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return { ciphertext, tag: cipher.getAuthTag() };
}

/**
 * The plaintext in memory of its own, or null when it is not authentic. Throws a `RangeError` when key, nonce or tag
 * have not 32, 12 and 16 bytes.
 */
export function openText(
  key: Uint8Array,
  nonce: Uint8Array,
  { ciphertext, tag }: { ciphertext: Uint8Array; tag: Uint8Array },
  associatedData: Uint8Array,
): Buffer | null {
  assertLengths(key, nonce);
  if (tag.length !== MAC_BYTES) throw new RangeError(`a tag of ChaCha20-Poly1305 has ${MAC_BYTES} bytes`);
  const decipher = createDecipheriv(CIPHER, key, nonce, OPTIONS);
  if (associatedData.length > 0) decipher.setAAD(associatedData);
  decipher.setAuthTag(tag);
  const plaintext = decipher.update(ciphertext);
  try {
    decipher.final(); // compares in constant time
  } catch {
    plaintext.fill(0);
    return null;
  }
  return plaintext;
}

/** OpenSSL would take shorter nonces, and pad them. */
function assertLengths(key: Uint8Array, nonce: Uint8Array): void {
  if (key.length !== KEY_BYTES || nonce.length !== NONCE_BYTES) {
    throw new RangeError(`ChaCha20-Poly1305 has a key of ${KEY_BYTES} bytes and a nonce of ${NONCE_BYTES}`);
  }
}
