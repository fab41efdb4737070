/**
 * The functions that the Noise framework asks for, all by node:crypto: X25519, ChaCha20-Poly1305, SHA-256 or BLAKE2s,
 * HMAC. Private keys are `KeyObject`s, since importing one costs more than a Diffie-Hellman; their memory is OpenSSL's,
 * which clears it when the object is collected.
 *
 * Source: The Noise Protocol Framework, revision 34, sections 4 and 12; RFC 7748, RFC 8439.
 */
import * as crypto from 'node:crypto';
import { FogError } from '@fog/contract';

/** Public keys, private keys, shared secrets, symmetric keys and hashes have all this length. */
export const KEY_BYTES = 32;
export const MAC_BYTES = 16;

/** Names of Noise -> names of OpenSSL. Both give 32 bytes and have blocks of 64. */
export const HASH_NAMES = { SHA256: 'sha256', BLAKE2s: 'blake2s256' } as const;
export type HashName = keyof typeof HASH_NAMES;

export interface NoiseKeyPair {
  readonly privateKey: crypto.KeyObject;
  /** Raw, 32 bytes. */
  readonly publicKey: Uint8Array;
}

export function generateKeyPair(): NoiseKeyPair {
  return pairOf(crypto.generateKeyPairSync('x25519').privateKey);
}

/** A pair from the 32 bytes of an X25519 private key. Throws `invalid-configuration` for another length. */
export function keyPairFrom(privateKey: Uint8Array): NoiseKeyPair {
  if (privateKey.length !== KEY_BYTES) {
    throw new FogError('invalid-configuration', `an X25519 private key has 32 bytes, not ${privateKey.length}`);
  }
  return pairOf(
    crypto.createPrivateKey({ key: Buffer.from(privateKey), format: 'raw-private', asymmetricKeyType: 'x25519' }),
  );
}

function pairOf(privateKey: crypto.KeyObject): NoiseKeyPair {
  return { privateKey, publicKey: crypto.createPublicKey(privateKey).export({ format: 'raw-public' }) };
}

/**
 * The shared secret, 32 bytes. Throws `protocol-violation` when it is zero, which means that the other's key is a point
 * of low order and no secret at all; the framework leaves this check to us.
 */
export function sharedSecret(pair: NoiseKeyPair, remotePublicKey: Uint8Array): Buffer {
  const publicKey = crypto.createPublicKey({
    key: Buffer.from(remotePublicKey),
    format: 'raw-public',
    asymmetricKeyType: 'x25519',
  });
  let secret: Buffer;
  try {
    secret = crypto.diffieHellman({ privateKey: pair.privateKey, publicKey });
  } catch (cause) {
    throw lowOrder(cause); // OpenSSL refuses a zero secret of its own accord
  }
  if (crypto.timingSafeEqual(secret, Buffer.alloc(KEY_BYTES))) throw lowOrder();
  return secret;
}

function lowOrder(cause?: unknown): FogError {
  return new FogError('protocol-violation', 'the other side sent an X25519 key of low order', {
    details: { cause: 'low-order-key' },
    hint: 'end the connection: no correct program makes such a key',
    cause,
  });
}

export function hash(name: HashName, ...parts: readonly Uint8Array[]): Buffer {
  const state = crypto.createHash(HASH_NAMES[name]);
  for (const part of parts) state.update(part);
  return state.digest();
}

/** HKDF of the framework, section 4.3: two or three outputs of 32 bytes. */
export function deriveKeys(name: HashName, chainingKey: Uint8Array, material: Uint8Array, count: 2 | 3): Buffer[] {
  const temporary = hmac(name, chainingKey, material);
  const outputs: Buffer[] = [];
  for (let number = 1; number <= count; number += 1) {
    outputs.push(hmac(name, temporary, outputs.at(-1) ?? new Uint8Array(), Uint8Array.of(number)));
  }
  temporary.fill(0);
  return outputs;
}

function hmac(name: HashName, key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const state = crypto.createHmac(HASH_NAMES[name], key);
  for (const part of parts) state.update(part);
  return state.digest();
}
