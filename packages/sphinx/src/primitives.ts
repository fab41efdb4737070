/**
 * The primitives under the format, by name of their standard. Two implementations give the same bytes: `NODE_PRIMITIVES`
 * uses what Node brings, `PURE_PRIMITIVES` nothing but JavaScript.
 */
import { createCipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import { ctr } from '@noble/ciphers/aes.js';
import { chacha20orig } from '@noble/ciphers/chacha.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { ELEMENT_BYTES } from './geometry.ts';

export interface Primitives {
  /** RFC 7748, with clamping. A point of low order gives 32 zeros. */
  x25519(scalar: Uint8Array, element: Uint8Array): Uint8Array;
  hmacSha256(key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array;
  /** `length` bytes of key stream of AES-256-CTR from a counter block of 16 bytes. */
  aes256CtrStream(key: Uint8Array, counter: Uint8Array, length: number): Uint8Array;
  /** `length` bytes of key stream of ChaCha20 as first published: nonce of 8 bytes, here zeros. */
  chacha20Stream(key: Uint8Array, length: number): Uint8Array;
}

export const PURE_PRIMITIVES: Primitives = {
  x25519(scalar, element) {
    try {
      return x25519.scalarMult(scalar, element);
    } catch (error) {
      // The library refuses the points of low order, which is for `unwrap` to do: for the primitive they give zero.
      if (error instanceof Error && /invalid private or public key/.test(error.message))
        return new Uint8Array(ELEMENT_BYTES);
      throw error;
    }
  },
  hmacSha256(key, parts) {
    const mac = hmac.create(sha256, key);
    for (const part of parts) mac.update(part);
    return mac.digest();
  },
  aes256CtrStream: (key, counter, length) => ctr(key, counter).encrypt(new Uint8Array(length)),
  chacha20Stream: (key, length) => chacha20orig(key, new Uint8Array(8), new Uint8Array(length)),
};

/** HMAC, AES and ChaCha20 of Node; X25519 as given. */
export function nodePrimitives(scalarMultiplication: Primitives['x25519']): Primitives {
  return {
    x25519: scalarMultiplication,
    hmacSha256(key, parts) {
      const mac = createHmac('sha256', key);
      for (const part of parts) mac.update(part);
      return mac.digest();
    },
    aes256CtrStream: (key, counter, length) =>
      createCipheriv('aes-256-ctr', key, counter).update(new Uint8Array(length)),
    // OpenSSL's counter and nonce are one field of 16 bytes; the counter of the original has 8 of them, all zero here.
    chacha20Stream: (key, length) => createCipheriv('chacha20', key, new Uint8Array(16)).update(new Uint8Array(length)),
  };
}

/** HKDF-Expand of RFC 5869 with SHA-256. Throws a `RangeError` beyond 255 hashes. */
export function hkdfExpand(primitives: Primitives, key: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (!(length >= 0 && length <= 255 * 32)) throw new RangeError(`HKDF gives at most ${255 * 32} bytes, not ${length}`);
  const output = new Uint8Array(length);
  let block: Uint8Array = new Uint8Array(0);
  for (let at = 0, count = 1; at < length; at += block.length, count += 1) {
    const next = primitives.hmacSha256(key, [block, info, new Uint8Array([count])]);
    block.fill(0);
    block = next;
    output.set(block.subarray(0, length - at), at);
  }
  block.fill(0);
  return output;
}

export function isZero(bytes: Uint8Array): boolean {
  return timingSafeEqual(bytes, new Uint8Array(bytes.length));
}

/** The base point of Curve25519, by its first coordinate. */
export const BASE_POINT = Uint8Array.of(9, ...new Uint8Array(ELEMENT_BYTES - 1));

/** The X25519 public key of a private key. */
export function x25519PublicKey(privateKey: Uint8Array): Uint8Array {
  return PURE_PRIMITIVES.x25519(privateKey, BASE_POINT);
}
