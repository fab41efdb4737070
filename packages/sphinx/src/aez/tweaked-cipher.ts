/**
 * E(j, i), the tweakable block cipher inside AEZ v5: AES with 4 rounds, or with 10 where j is -1, over a block that is
 * masked by the tweak. Blocks are four 32-bit words in little-endian order, at an offset of an `Int32Array`.
 *
 * Source: Hoang, Krovetz, Rogaway, "AEZ v5: Authenticated Encryption by Enciphering" (2017), section 3, algorithms
 * Extract and E.
 */
import { blake2b } from '@noble/hashes/blake2.js';
import { copyOf, xor } from '../bytes.ts';
import { aesRounds } from './aes-round.ts';

export const BLOCK_BYTES = 16;
export const BLOCK_WORDS = 4;
/** The three subkeys of 16 bytes: a key of this length is used as it is, any other is hashed. */
export const EXTRACTED_KEY_BYTES = 48;

/** Order of the subkeys I, J, L (0, 4, 8 words into the key; 12 is a zero block) in each round. */
const FOUR_ROUNDS = [4, 0, 8, 12];
const TEN_ROUNDS = [0, 4, 8, 0, 4, 8, 0, 4, 8, 0];

/** Doubles a block in GF(2^128), most significant byte first, modulo x^128 + x^7 + x^2 + x + 1. */
function double(block: Uint8Array): Uint8Array {
  const doubled = new Uint8Array(BLOCK_BYTES);
  for (let at = 0; at < BLOCK_BYTES; at += 1) {
    doubled[at] = ((block[at] as number) << 1) | ((block[at + 1] ?? 0) >> 7);
  }
  if ((block[0] as number) >= 0x80) doubled[BLOCK_BYTES - 1] = (doubled[BLOCK_BYTES - 1] as number) ^ 0x87;
  return doubled;
}

/** `factor` times a block, by doubling and adding. */
function multiple(block: Uint8Array, factor: number): Uint8Array {
  let sum: Uint8Array = new Uint8Array(BLOCK_BYTES);
  let power = block;
  for (let rest = factor; rest > 0; rest >>= 1) {
    if ((rest & 1) === 1) sum = xor(sum, power);
    power = double(power);
  }
  return sum;
}

function words(block: Uint8Array): Int32Array {
  return new Int32Array(copyOf(block).buffer);
}

/** The 48 bytes I, J, L of a key of any length. */
export function extractKey(key: Uint8Array): Uint8Array {
  return key.length === EXTRACTED_KEY_BYTES ? copyOf(key) : blake2b(key, { dkLen: EXTRACTED_KEY_BYTES });
}

/** A key made ready. Holds secrets until `wipe` is called. */
export class TweakedCipher {
  readonly #roundKeys = new Int32Array(16);
  readonly #multiplesOfL: Int32Array[];
  readonly #j: Uint8Array;
  readonly #multiplesOfJ = new Map<number, Int32Array>();
  /** 2^n I for n = 0, 1, ... as far as they were needed. */
  readonly #powersOfI: Uint8Array[];
  readonly #powersOfIWords: Int32Array[];
  /** The mask of the last (j, i). */
  readonly #mask = new Int32Array(BLOCK_WORDS);

  constructor(key: Uint8Array) {
    const extracted = extractKey(key);
    const [i, j, l] = [0, 16, 32].map((at) => extracted.slice(at, at + BLOCK_BYTES)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    this.#roundKeys.set(words(extracted));
    this.#multiplesOfL = [0, 1, 2, 3, 4, 5, 6, 7].map((factor) => words(multiple(l, factor)));
    this.#j = j;
    this.#powersOfI = [i];
    this.#powersOfIWords = [words(i)];
    extracted.fill(0);
  }

  /** Enciphers the block at `at` of `from` into `to` at `toAt` under E(j, i), for j from 0 and i from 0. */
  four(j: number, i: number, from: Int32Array, at: number, to: Int32Array, toAt: number): void {
    this.#maskOf(j, i);
    this.#rounds(FOUR_ROUNDS, this.#mask, from, at, to, toAt);
  }

  /** The same under E(-1, i), for i from 0 to 7. */
  ten(i: number, from: Int32Array, at: number, to: Int32Array, toAt: number): void {
    this.#rounds(TEN_ROUNDS, this.#multiplesOfL[i] as Int32Array, from, at, to, toAt);
  }

  wipe(): void {
    this.#roundKeys.fill(0);
    this.#mask.fill(0);
    this.#j.fill(0);
    const secrets = [
      ...this.#multiplesOfL,
      ...this.#multiplesOfJ.values(),
      ...this.#powersOfI,
      ...this.#powersOfIWords,
    ];
    for (const secret of secrets) secret.fill(0);
  }

  #rounds(order: number[], mask: Int32Array, from: Int32Array, at: number, to: Int32Array, toAt: number): void {
    for (let word = 0; word < BLOCK_WORDS; word += 1) {
      to[toAt + word] = (from[at + word] as number) ^ (mask[word] as number);
    }
    aesRounds(to, toAt, this.#roundKeys, order);
  }

  /** jJ + 2^ceil(i/8) I + (i mod 8) L. */
  #maskOf(j: number, i: number): void {
    const multipleOfJ = this.#multipleOfJ(j);
    const powerOfI = this.#powerOfI(Math.ceil(i / 8));
    const multipleOfL = this.#multiplesOfL[i % 8] as Int32Array;
    for (let word = 0; word < BLOCK_WORDS; word += 1) {
      this.#mask[word] = (multipleOfJ[word] as number) ^ (powerOfI[word] as number) ^ (multipleOfL[word] as number);
    }
  }

  #multipleOfJ(j: number): Int32Array {
    const known = this.#multiplesOfJ.get(j);
    if (known !== undefined) return known;
    const made = words(multiple(this.#j, j));
    this.#multiplesOfJ.set(j, made);
    return made;
  }

  #powerOfI(exponent: number): Int32Array {
    while (this.#powersOfI.length <= exponent) {
      const next = double(this.#powersOfI.at(-1) as Uint8Array);
      this.#powersOfI.push(next);
      this.#powersOfIWords.push(words(next));
    }
    return this.#powersOfIWords[exponent] as Int32Array;
  }
}
