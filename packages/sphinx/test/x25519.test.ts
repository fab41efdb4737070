/** X25519 of every backend that this machine has; the native one has tests of its own for each of its forms. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadNative, loadSodium, TYPESCRIPT_BACKEND } from '@fog/sphinx';
import { assertSameBytes, BATCH, FUZZ_RUNS, opensslX25519, SEED, seededStream, x25519Inputs } from './native-tiers.ts';
import { BASE, RFC_7748_ITERATED, RFC_7748_VECTORS } from './rfc-7748.ts';

const LOADED = [loadNative(), loadSodium(), { available: true as const, backend: TYPESCRIPT_BACKEND }];

describe('the vectors of RFC 7748', () => {
  for (const loaded of LOADED) {
    if (!loaded.available) continue;
    const { name, x25519 } = loaded.backend;
    it(`section 5.2 and its 1,000 iterations: ${name}`, () => {
      for (const { scalar, element, product } of RFC_7748_VECTORS) {
        assert.deepEqual(Uint8Array.from(x25519(scalar, element)), product);
      }
      let [scalar, element] = [BASE, BASE];
      for (let iteration = 1; iteration <= 1_000; iteration += 1) {
        [element, scalar] = [scalar, Uint8Array.from(x25519(scalar, element))];
        if (iteration === 1) assert.deepEqual(scalar, RFC_7748_ITERATED.once);
      }
      assert.deepEqual(scalar, RFC_7748_ITERATED.thousandTimes);
    });
  }
});

/** Of inputs for each: the one in JavaScript takes a millisecond, and is compared with the native one elsewhere, too. */
const RUNS = { native: FUZZ_RUNS, sodium: FUZZ_RUNS, typescript: FUZZ_RUNS / 20 } as const;

describe(`X25519 of every backend (seed ${SEED})`, () => {
  for (const loaded of LOADED) {
    if (!loaded.available) continue;
    const { name, x25519 } = loaded.backend;
    it(`is that of OpenSSL, for points of low order and coordinates that are not canonical, too: ${name}`, () => {
      const stream = seededStream(SEED + 4);
      for (let run = 0; run < RUNS[name]; run += BATCH) {
        const { scalars, elements } = x25519Inputs(stream);
        for (let at = 0; at < scalars.length; at += 32) {
          const [scalar, element] = [scalars.subarray(at, at + 32), elements.subarray(at, at + 32)];
          assertSameBytes(x25519(scalar, element), opensslX25519(scalar, element), `run ${run}, input ${at / 32}`);
        }
      }
    });
  }
});
