/**
 * AEZ-tiny: enciphers a message of 1 to 31 bytes, by a Feistel network over its two halves. Packets are longer; it is
 * here because AEZ is not whole without it.
 *
 * Source: AEZ v5, section 3, algorithm Encipher-AEZ-tiny. Halves of an odd number of bytes meet within a byte.
 */
import { addBlock, type Direction } from './aez-core.ts';
import { BLOCK_BYTES, BLOCK_WORDS, type TweakedCipher } from './tweaked-cipher.ts';

function roundsOf(length: number): number {
  if (length === 1) return 24;
  if (length === 2) return 16;
  return length < BLOCK_BYTES ? 10 : 8;
}

/** Enciphers or deciphers `data` in place. */
export function encipheredTiny(cipher: TweakedCipher, delta: Int32Array, data: Uint8Array, direction: Direction): void {
  const nibbles = data.length;
  const rounds = roundsOf(data.length);
  const tweak = data.length < BLOCK_BYTES ? 7 : 6;
  if (direction === 'decipher') flipFirstBit(cipher, delta, data);
  let left = nibblesOf(data, 0, nibbles);
  let right = nibblesOf(data, nibbles, nibbles);
  for (let count = 0; count < rounds; count += 1) {
    const round = direction === 'encipher' ? count : rounds - 1 - count;
    const mask = roundFunction(cipher, delta, right, nibbles, round, tweak);
    [left, right] = [right, xored(left, mask, nibbles)];
  }
  data.set(joined(right, left, nibbles));
  if (direction === 'encipher') flipFirstBit(cipher, delta, data);
}

function roundFunction(
  cipher: TweakedCipher,
  delta: Int32Array,
  half: Uint8Array,
  nibbles: number,
  round: number,
  tweak: number,
): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(half);
  // One bit after the half, then zeros.
  const end = nibbles >> 1;
  block[end] = (block[end] as number) | (nibbles % 2 === 0 ? 0x80 : 0x08);
  const words = new Int32Array(block.buffer);
  addBlock(words, 0, delta);
  block[BLOCK_BYTES - 1] = (block[BLOCK_BYTES - 1] as number) ^ round;
  const result = new Int32Array(BLOCK_WORDS);
  cipher.four(0, tweak, words, 0, result, 0);
  return new Uint8Array(result.buffer);
}

/** Below a block, a Feistel network of any number of rounds is an even permutation: this makes it odd half of the time. */
function flipFirstBit(cipher: TweakedCipher, delta: Int32Array, data: Uint8Array): void {
  if (data.length >= BLOCK_BYTES) return;
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(data);
  block[0] = (block[0] as number) | 0x80;
  const words = new Int32Array(block.buffer);
  addBlock(words, 0, delta);
  const result = new Int32Array(BLOCK_WORDS);
  cipher.four(0, 3, words, 0, result, 0);
  data[0] = (data[0] as number) ^ ((new Uint8Array(result.buffer)[0] as number) & 0x80);
}

/** `count` nibbles from the nibble `from` on, the high one of a byte first; what is left of the last byte is zero. */
function nibblesOf(data: Uint8Array, from: number, count: number): Uint8Array {
  const half = new Uint8Array((count + 1) >> 1);
  for (let at = 0; at < count; at += 1) setNibble(half, at, nibbleAt(data, from + at));
  return half;
}

function joined(first: Uint8Array, second: Uint8Array, nibbles: number): Uint8Array {
  const data = new Uint8Array(nibbles);
  for (let at = 0; at < nibbles; at += 1) {
    setNibble(data, at, nibbleAt(first, at));
    setNibble(data, nibbles + at, nibbleAt(second, at));
  }
  return data;
}

function xored(half: Uint8Array, mask: Uint8Array, nibbles: number): Uint8Array {
  const result = half.map((byte, at) => byte ^ (mask[at] as number));
  const end = nibbles >> 1;
  if (nibbles % 2 === 1) result[end] = (result[end] as number) & 0xf0;
  return result;
}

function nibbleAt(data: Uint8Array, at: number): number {
  const byte = data[at >> 1] as number;
  return at % 2 === 0 ? byte >> 4 : byte & 0x0f;
}

function setNibble(data: Uint8Array, at: number, nibble: number): void {
  const index = at >> 1;
  data[index] = (data[index] as number) | (at % 2 === 0 ? nibble << 4 : nibble);
}
