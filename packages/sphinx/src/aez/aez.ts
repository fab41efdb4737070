/**
 * AEZ v5: a cipher over messages of any length, with a nonce and any number of associated strings. Sphinx uses it
 * without authenticator, as a permutation of the whole payload (`encrypt` with 0 bytes of expansion).
 *
 * Source: Hoang, Krovetz, Rogaway, "AEZ v5: Authenticated Encryption by Enciphering" (2017), section 3.
 */
import { timingSafeEqual } from 'node:crypto';
import { copyOf } from '../bytes.ts';
import { addBlock, enciphered, paddedWords } from './aez-core.ts';
import { encipheredTiny } from './aez-tiny.ts';
import { BLOCK_BYTES, BLOCK_WORDS, TweakedCipher } from './tweaked-cipher.ts';

export interface AezInputs {
  /** Any length; 48 bytes are used as they are. */
  key: Uint8Array;
  nonce: Uint8Array;
  /** Authenticated with the message. Default: none. */
  associated?: readonly Uint8Array[];
  /** By how many bytes the ciphertext is longer than the message: its authenticator. Default: 0. */
  expansionBytes?: number;
}

/** Returns the ciphertext, `expansionBytes` longer than the message. */
export function aezEncrypt(inputs: AezInputs, message: Uint8Array): Uint8Array {
  const { expansionBytes = 0 } = inputs;
  return withCipher(inputs.key, (cipher) => {
    const delta = hashOf(cipher, inputs);
    if (message.length === 0) return prf(cipher, delta, expansionBytes);
    const data = new Uint8Array(message.length + expansionBytes);
    data.set(message);
    encipher(cipher, delta, data, 'encipher');
    return data;
  });
}

/** Returns the message, or null when the ciphertext is not authentic. With an expansion of 0 nothing can be told. */
export function aezDecrypt(inputs: AezInputs, ciphertext: Uint8Array): Uint8Array | null {
  const { expansionBytes = 0 } = inputs;
  if (ciphertext.length < expansionBytes) return null;
  return withCipher(inputs.key, (cipher) => {
    const delta = hashOf(cipher, inputs);
    if (ciphertext.length === expansionBytes) {
      return timingSafeEqual(prf(cipher, delta, expansionBytes), ciphertext) ? new Uint8Array(0) : null;
    }
    const data = copyOf(ciphertext);
    encipher(cipher, delta, data, 'decipher');
    const end = data.length - expansionBytes;
    if (!timingSafeEqual(data.subarray(end), new Uint8Array(expansionBytes))) return null;
    return data.slice(0, end);
  });
}

/** AEZ-hash: one block for the expansion in bits, the nonce and the associated strings; 16 bytes. */
export function aezHash(key: Uint8Array, strings: readonly Uint8Array[], expansionBits: number): Uint8Array {
  return withCipher(key, (cipher) => new Uint8Array(hash(cipher, strings, expansionBits).buffer));
}

/** AEZ-prf: `length` bytes that stand for an empty message. `delta` is a block. */
export function aezPrf(key: Uint8Array, delta: Uint8Array, length: number): Uint8Array {
  return withCipher(key, (cipher) => prf(cipher, new Int32Array(copyOf(delta).buffer), length));
}

function withCipher<T>(key: Uint8Array, use: (cipher: TweakedCipher) => T): T {
  const cipher = new TweakedCipher(key);
  try {
    return use(cipher);
  } finally {
    cipher.wipe();
  }
}

function encipher(
  cipher: TweakedCipher,
  delta: Int32Array,
  data: Uint8Array,
  direction: 'encipher' | 'decipher',
): void {
  if (data.length < 2 * BLOCK_BYTES) encipheredTiny(cipher, delta, data, direction);
  else enciphered(cipher, delta, data, direction);
}

function hashOf(cipher: TweakedCipher, { nonce, associated = [], expansionBytes = 0 }: AezInputs): Int32Array {
  return hash(cipher, [nonce, ...associated], 8 * expansionBytes);
}

/** The sum of E(3, 1)(length of the expansion in bits) and, for each string, of its blocks under E(4, i), E(5, i), ... */
function hash(cipher: TweakedCipher, strings: readonly Uint8Array[], expansionBits: number): Int32Array {
  const sum = new Int32Array(BLOCK_WORDS);
  const block = new Int32Array(BLOCK_WORDS);
  const expansion = new Uint8Array(BLOCK_BYTES);
  new DataView(expansion.buffer).setUint32(BLOCK_BYTES - 4, expansionBits);
  cipher.four(3, 1, new Int32Array(expansion.buffer), 0, sum, 0);
  for (const [index, text] of strings.entries()) {
    const whole = Math.floor(text.length / BLOCK_BYTES);
    for (let i = 1; i <= whole; i += 1) {
      const from = (i - 1) * BLOCK_BYTES;
      cipher.four(4 + index, i, paddedWords(text.subarray(from, from + BLOCK_BYTES)), 0, block, 0);
      addBlock(sum, 0, block);
    }
    if (text.length % BLOCK_BYTES === 0 && text.length > 0) continue;
    cipher.four(4 + index, 0, paddedWords(text.subarray(whole * BLOCK_BYTES)), 0, block, 0);
    addBlock(sum, 0, block);
  }
  return sum;
}

/** E(-1, 3)(delta + counter), counting from 0. */
function prf(cipher: TweakedCipher, delta: Int32Array, length: number): Uint8Array {
  const result = new Uint8Array(Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES);
  const block = new Int32Array(BLOCK_WORDS);
  for (let count = 0; count * BLOCK_BYTES < length; count += 1) {
    const counter = new Uint8Array(BLOCK_BYTES);
    new DataView(counter.buffer).setUint32(BLOCK_BYTES - 4, count);
    const words = new Int32Array(counter.buffer);
    addBlock(words, 0, delta);
    cipher.ten(3, words, 0, block, 0);
    result.set(new Uint8Array(block.buffer), count * BLOCK_BYTES);
  }
  return result.slice(0, length);
}
