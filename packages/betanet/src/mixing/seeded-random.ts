/**
 * Random bytes that a seed repeats, for simulations and tests. Whoever sees some of them can compute the others: never
 * for what a node or client does in earnest.
 */
import type { FillRandom } from './random-numbers.ts';

/** xoshiro128** by D. Blackman and S. Vigna (2018), its state filled from the seed by splitmix32. */
export function seededBytes(seed: number): FillRandom {
  const state = new Uint32Array(4);
  let counter = seed | 0;
  for (let at = 0; at < state.length; at += 1) {
    counter = (counter + 0x9e37_79b9) | 0;
    let mixed = Math.imul(counter ^ (counter >>> 16), 0x21f0_aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97);
    state[at] = mixed ^ (mixed >>> 15);
  }
  return (bytes) => {
    for (let at = 0; at < bytes.length; at += 4) {
      const word = nextWord(state);
      for (let byte = 0; byte < 4 && at + byte < bytes.length; byte += 1) bytes[at + byte] = word >>> (8 * byte);
    }
  };
}

function nextWord(state: Uint32Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = state;
  const word = Math.imul(rotated(Math.imul(b, 5), 7), 9);
  state[0] = a ^ d ^ b;
  state[1] = b ^ c ^ a;
  state[2] = c ^ a ^ (b << 9);
  state[3] = rotated(d ^ b, 11);
  return word;
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
