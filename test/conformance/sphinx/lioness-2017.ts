/**
 * The suite of the first Sphinx over Curve25519, as its vectors of 2017 have it: BLAKE2b, ChaCha20 and LIONESS. It shows
 * that what is common to all Sphinx formats is right; no network of ours speaks it.
 *
 * Source: Danezis, Goldberg (2009), with Curve25519 in place of the group there; Anderson, Biham, "Two Practical and
 * Provably Secure Block Ciphers: BEAR and LION" (1996) for LIONESS.
 */
import type { HopSecrets, PayloadCipher, Primitives, Suite } from '@fog/sphinx';
import { blake2b } from '@noble/hashes/blake2.js';

const SECURITY_BYTES = 16;
const PREFIX = { blinding: 0x11, stream: 0x22, mac: 0x33 } as const;
/** LIONESS uses 32 + 64 + 32 + 64 of them. */
const PAYLOAD_KEY_BYTES = 208;

export const LIONESS_2017: Suite = {
  name: 'lioness-2017',
  associatedData: new Uint8Array(0),
  slotBytes: 2 * SECURITY_BYTES,
  trailerBytes: SECURITY_BYTES,
  macBytes: SECURITY_BYTES,
  payloadTagBytes: SECURITY_BYTES,
  replyKeyBytes: 32,
  hop: hopSecrets,
  replyCipher: (primitives, replyKey) => lioness(primitives, payloadKeyOf(primitives, replyKey)),
};

function hashed(prefix: number, parts: Uint8Array[], length: number): Uint8Array {
  return blake2b(Buffer.concat([new Uint8Array([prefix]), ...parts]), { dkLen: length });
}

function hopSecrets(primitives: Primitives, element: Uint8Array, sharedSecret: Uint8Array): HopSecrets {
  const macKey = hashed(PREFIX.mac, [sharedSecret], SECURITY_BYTES);
  const streamKey = hashed(PREFIX.stream, [sharedSecret], 32);
  const payloadKey = payloadKeyOf(primitives, sharedSecret);
  return {
    ...lioness(primitives, payloadKey),
    // The MAC is over the routing information alone.
    mac: (parts) => blake2b(parts.at(-1) as Uint8Array, { key: macKey, dkLen: SECURITY_BYTES }),
    stream: (length) => primitives.chacha20Stream(streamKey, length),
    blindingScalar: hashed(PREFIX.blinding, [element, sharedSecret], 32),
    payloadKey,
    wipe() {},
  };
}

function payloadKeyOf(primitives: Primitives, secret: Uint8Array): Uint8Array {
  return primitives.chacha20Stream(hashed(PREFIX.stream, [secret], 32), PAYLOAD_KEY_BYTES);
}

/** Four rounds of an unbalanced Feistel network: a short left part, keyed in turn by stream cipher and hash. */
function lioness(primitives: Primitives, key: Uint8Array): PayloadCipher {
  const [k1, k2, k3, k4] = [key.subarray(0, 32), key.subarray(32, 96), key.subarray(96, 128), key.subarray(128, 192)];
  const streamed = (left: Uint8Array, right: Uint8Array, roundKey: Uint8Array) =>
    xor(right, primitives.chacha20Stream(xor(left, roundKey), right.length));
  const mixed = (left: Uint8Array, right: Uint8Array, roundKey: Uint8Array) =>
    xor(left, blake2b(right, { key: roundKey, dkLen: 32 }));
  const rounds = (payload: Uint8Array, [a, b, c, d]: readonly Uint8Array[], startsWithStream: boolean) => {
    let left: Uint8Array = payload.slice(0, 32);
    let right: Uint8Array = payload.slice(32);
    for (const [index, roundKey] of [a, b, c, d].entries()) {
      const isStream = (index % 2 === 0) === startsWithStream;
      if (isStream) right = streamed(left, right, roundKey as Uint8Array);
      else left = mixed(left, right, roundKey as Uint8Array);
    }
    return Buffer.concat([left, right]);
  };
  return {
    encrypt: (payload) => rounds(payload, [k1, k2, k3, k4], true),
    decrypt: (payload) => rounds(payload, [k4, k3, k2, k1], false),
  };
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, at) => byte ^ (b[at] as number));
}
