/**
 * AEZ-core: enciphers a message of at least 32 bytes so that every bit of the result depends on every bit of the
 * message. A change of the ciphertext makes noise of the whole plaintext.
 *
 * Source: AEZ v5, section 3, algorithm Encipher-AEZ-core. The message is M1 M1' ... Mm Mm' Muv Mx My: pairs of blocks, a
 * rest of less than two blocks, and the last two blocks. In the names below, `left` is Mi and `right` is Mi'.
 */
import { copyOf } from '../bytes.ts';
import { BLOCK_BYTES, BLOCK_WORDS, type TweakedCipher } from './tweaked-cipher.ts';

export type Direction = 'encipher' | 'decipher';

/** Enciphers or deciphers `data` in place. `delta`, of one block, stands for key length, nonce and associated data. */
export function enciphered(cipher: TweakedCipher, delta: Int32Array, data: Uint8Array, direction: Direction): void {
  const pairs = Math.floor((data.length - 2 * BLOCK_BYTES) / (2 * BLOCK_BYTES));
  const restAt = pairs * 2 * BLOCK_BYTES;
  const lastAt = data.length - 2 * BLOCK_BYTES;
  const pairWords = toWords(data.subarray(0, restAt));
  const rest = new Rest(cipher, data.subarray(restAt, lastAt));
  const last = toWords(data.subarray(lastAt));

  const x = firstPass(cipher, pairWords);
  rest.addTo(x);
  const s = mixIn(cipher, last, x, delta, direction);
  const y = secondPass(cipher, pairWords, s);
  rest.encipher(s);
  rest.addTo(y);
  mixOut(cipher, last, y, delta, direction);

  data.set(new Uint8Array(pairWords.buffer), 0);
  data.set(rest.bytes, restAt);
  data.set(new Uint8Array(last.buffer), lastAt);
  pairWords.fill(0);
  last.fill(0);
}

/** Mi, Mi' become Wi = Mi + E(1, i)(Mi'), Xi = Mi' + E(0, 0)(Wi). Returns the sum of all Xi. */
function firstPass(cipher: TweakedCipher, pairs: Int32Array): Int32Array {
  const sum = new Int32Array(BLOCK_WORDS);
  const block = new Int32Array(BLOCK_WORDS);
  for (let at = 0, i = 1; at < pairs.length; at += 2 * BLOCK_WORDS, i += 1) {
    const right = at + BLOCK_WORDS;
    cipher.four(1, i, pairs, right, block, 0);
    addBlock(pairs, at, block);
    cipher.four(0, 0, pairs, at, block, 0);
    addBlock(pairs, right, block);
    addBlock(sum, 0, pairs, right);
  }
  return sum;
}

/** Wi, Xi become Ci, Ci' under S' = E(2, i)(S). Returns the sum of all Yi = Wi + S'. */
function secondPass(cipher: TweakedCipher, pairs: Int32Array, s: Int32Array): Int32Array {
  const sum = new Int32Array(BLOCK_WORDS);
  const block = new Int32Array(BLOCK_WORDS);
  for (let at = 0, i = 1; at < pairs.length; at += 2 * BLOCK_WORDS, i += 1) {
    const right = at + BLOCK_WORDS;
    cipher.four(2, i, s, 0, block, 0);
    addBlock(pairs, at, block);
    addBlock(pairs, right, block);
    addBlock(sum, 0, pairs, at);
    // Now left is Yi and right Zi. Ci' = Yi + E(0, 0)(Zi), Ci = Zi + E(1, i)(Ci').
    cipher.four(0, 0, pairs, right, block, 0);
    addBlock(pairs, at, block);
    cipher.four(1, i, pairs, at, block, 0);
    addBlock(pairs, right, block);
    swapBlocks(pairs, at, right);
  }
  return sum;
}

/** Mx, My become Sx, Sy, and their sum is S. */
function mixIn(
  cipher: TweakedCipher,
  last: Int32Array,
  x: Int32Array,
  delta: Int32Array,
  direction: Direction,
): Int32Array {
  const tweak = direction === 'encipher' ? 1 : 2;
  const block = new Int32Array(BLOCK_WORDS);
  cipher.four(0, tweak, last, BLOCK_WORDS, block, 0);
  addBlock(last, 0, block);
  addBlock(last, 0, x);
  addBlock(last, 0, delta);
  cipher.ten(tweak, last, 0, block, 0);
  addBlock(last, BLOCK_WORDS, block);
  const s = last.slice(0, BLOCK_WORDS);
  addBlock(s, 0, last, BLOCK_WORDS);
  return s;
}

/** Sx, Sy become Cx, Cy. */
function mixOut(cipher: TweakedCipher, last: Int32Array, y: Int32Array, delta: Int32Array, direction: Direction): void {
  const tweak = direction === 'encipher' ? 2 : 1;
  const block = new Int32Array(BLOCK_WORDS);
  cipher.ten(tweak, last, BLOCK_WORDS, block, 0);
  addBlock(last, 0, block);
  // Now the first block is Cy, the second Sy.
  cipher.four(0, tweak, last, 0, block, 0);
  addBlock(last, BLOCK_WORDS, block);
  addBlock(last, BLOCK_WORDS, y);
  addBlock(last, BLOCK_WORDS, delta);
  swapBlocks(last, 0, BLOCK_WORDS);
}

/** Muv: less than two blocks, of which the first (u) has tweak 4 and what follows (v) tweak 5. */
class Rest {
  readonly bytes: Uint8Array;
  readonly #cipher: TweakedCipher;
  readonly #parts: { bytes: Uint8Array; tweak: number }[];

  constructor(cipher: TweakedCipher, bytes: Uint8Array) {
    this.bytes = copyOf(bytes);
    this.#cipher = cipher;
    const u = { bytes: this.bytes.subarray(0, BLOCK_BYTES), tweak: 4 };
    const v = { bytes: this.bytes.subarray(BLOCK_BYTES), tweak: 5 };
    if (bytes.length === 0) this.#parts = [];
    else this.#parts = bytes.length < BLOCK_BYTES ? [u] : [u, v];
  }

  /** Adds E(0, 4)(u) and E(0, 5)(v) to a sum; a part of less than a block is padded with one bit and zeros. */
  addTo(sum: Int32Array): void {
    const block = new Int32Array(BLOCK_WORDS);
    for (const { bytes, tweak } of this.#parts) {
      this.#cipher.four(0, tweak, paddedWords(bytes), 0, block, 0);
      addBlock(sum, 0, block);
    }
  }

  /** Adds E(-1, 4)(S) to u and E(-1, 5)(S) to v. */
  encipher(s: Int32Array): void {
    const block = new Int32Array(BLOCK_WORDS);
    const mask = new Uint8Array(block.buffer);
    for (const { bytes, tweak } of this.#parts) {
      this.#cipher.ten(tweak, s, 0, block, 0);
      for (let at = 0; at < bytes.length; at += 1) bytes[at] = (bytes[at] as number) ^ (mask[at] as number);
    }
  }
}

/** A block as words; one that is not whole is followed by one bit and zeros. */
export function paddedWords(bytes: Uint8Array): Int32Array {
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(bytes);
  if (bytes.length < BLOCK_BYTES) block[bytes.length] = 0x80;
  return new Int32Array(block.buffer);
}

function toWords(bytes: Uint8Array): Int32Array {
  return new Int32Array(copyOf(bytes).buffer);
}

export function addBlock(to: Int32Array, at: number, block: Int32Array, blockAt = 0): void {
  for (let word = 0; word < BLOCK_WORDS; word += 1) {
    to[at + word] = (to[at + word] as number) ^ (block[blockAt + word] as number);
  }
}

function swapBlocks(words: Int32Array, a: number, b: number): void {
  for (let word = 0; word < BLOCK_WORDS; word += 1) {
    const held = words[a + word] as number;
    words[a + word] = words[b + word] as number;
    words[b + word] = held;
  }
}
