/** X25519 of every backend that this machine has; the native one has tests of its own for each of its forms. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadNative, loadSodium, TYPESCRIPT_BACKEND } from '@fog/sphinx';
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
