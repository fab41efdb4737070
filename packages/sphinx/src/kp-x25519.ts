/**
 * The suite of Katzenpost's NIKE profile with X25519: HKDF-SHA-256 (expand only), HMAC-SHA-256, AES-256-CTR, AEZ v5.
 * Packets are byte for byte those of Katzenpost.
 *
 * Source: Katzenpost, "Sphinx cryptographic packet format", sections 2 and 4; names of the key's parts as there.
 */
import { aezDecrypt, aezEncrypt } from './aez/aez.ts';
import { concat } from './bytes.ts';
import {
  ASSOCIATED_DATA,
  INITIAL_VECTOR_BYTES,
  MAC_BYTES,
  PAYLOAD_KEY_BYTES,
  PAYLOAD_TAG_BYTES,
  SLOT_BYTES,
} from './geometry.ts';
import { hkdfExpand, type Primitives } from './primitives.ts';
import type { HopSecrets, PayloadCipher, Suite } from './suite.ts';

const INFO = new TextEncoder().encode('katzenpost-kdf-v0-hkdf-sha256');
const SCALAR_BYTES = 32;
/** Header MAC 32, header encryption 32, initial vector 16, payload encryption 48, blinding seed 32. */
export const DERIVED_BYTES = 160;
/** Key and initial vector. */
export const REPLY_KEY_BYTES = PAYLOAD_KEY_BYTES + INITIAL_VECTOR_BYTES;

export const KP_X25519: Suite = {
  name: 'kp-x25519',
  associatedData: ASSOCIATED_DATA,
  slotBytes: SLOT_BYTES,
  trailerBytes: 0,
  macBytes: MAC_BYTES,
  payloadTagBytes: PAYLOAD_TAG_BYTES,
  replyKeyBytes: REPLY_KEY_BYTES,
  hop: (primitives, _element, sharedSecret) => hopSecrets(primitives, sharedSecret),
  replyCipher: (_primitives, replyKey) => payloadCipher(replyKey),
};

function hopSecrets(primitives: Primitives, sharedSecret: Uint8Array): HopSecrets {
  const derived = hkdfExpand(primitives, sharedSecret, INFO, DERIVED_BYTES);
  const macKey = derived.subarray(0, 32);
  const streamKey = derived.subarray(32, 64);
  const initialVector = derived.subarray(64, 80);
  const blindingSeed = derived.subarray(128, 160);
  const payloadKey = concat([derived.subarray(80, 128), initialVector]);
  const blindingScalar = primitives.chacha20Stream(blindingSeed, SCALAR_BYTES);
  return {
    ...payloadCipher(payloadKey),
    mac: (parts) => primitives.hmacSha256(macKey, parts),
    stream: (length) => primitives.aes256CtrStream(streamKey, initialVector, length),
    blindingScalar,
    payloadKey,
    wipe() {
      for (const secret of [derived, payloadKey, blindingScalar]) secret.fill(0);
    },
  };
}

/** AEZ over the whole payload, without expansion or associated data, under 48 bytes of key and 16 of nonce. */
function payloadCipher(keyAndVector: Uint8Array): PayloadCipher {
  const inputs = () => ({
    key: keyAndVector.subarray(0, PAYLOAD_KEY_BYTES),
    nonce: keyAndVector.subarray(PAYLOAD_KEY_BYTES),
  });
  return {
    encrypt: (payload) => aezEncrypt(inputs(), payload),
    decrypt: (payload) => aezDecrypt(inputs(), payload) ?? new Uint8Array(0),
  };
}
