/**
 * The C addon of native/, which is built when the package is installed. What it computes with is chosen when a backend
 * is made: the best of this processor, unless a test or a benchmark asks for less.
 */
import { createRequire } from 'node:module';
import { FogError } from '@fog/contract';
import type { SphinxBackend, Unwrapper, UnwrapperOptions } from '../backend.ts';
import { ELEMENT_BYTES, MAC_BYTES } from '../geometry.ts';
import { assertBatch } from './unwrapper.ts';

/** Ways to compute X25519, the slowest first. Their places are their numbers in native/src/x25519.h. */
export const X25519_TIERS = ['portable', 'avx2', 'avx512-ifma'] as const;
export type X25519Tier = (typeof X25519_TIERS)[number];

export interface NativeChoice {
  /** Default: `best`. */
  x25519?: X25519Tier | 'best';
  /** AES and SHA-256. `best` uses the processor's instructions for them where it has such. Default: `best`. */
  symmetric?: 'best' | 'portable';
}

/**
 * A backend, and the primitives under it by themselves, to be compared with others. All throw a `TypeError` when an
 * argument has not the length that it must have.
 */
export interface NativeBackend extends SphinxBackend {
  readonly name: 'native';
  readonly x25519Tier: X25519Tier;
  /** `count` products (at most `SPHINX_LIMITS.batchPackets`) of scalars and elements that lie one after another. */
  x25519Batch(scalars: Uint8Array, elements: Uint8Array, count: number): Uint8Array;
  /** AEZ v5 in place: key of 48 bytes, nonce of 16, at least 32 bytes of data, no expansion, nothing associated. */
  aezEncrypt(key: Uint8Array, nonce: Uint8Array, data: Uint8Array): void;
  aezDecrypt(key: Uint8Array, nonce: Uint8Array, data: Uint8Array): void;
  /** Adds the key stream of AES-256-CTR to `data`: key of 32 bytes, counter block of 16. */
  aesCtr(key: Uint8Array, counter: Uint8Array, data: Uint8Array): void;
  /** Key and data of any length. */
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** Key stream of ChaCha20 as first published, nonce of 8 zero bytes: key of 32 bytes. */
  chacha20(key: Uint8Array, length: number): Uint8Array;
  /** HKDF-Expand (RFC 5869) with SHA-256 under the label of the suite: key of 32 bytes, at most 8,160 bytes of output. */
  hkdfExpand(key: Uint8Array, length: number): Uint8Array;
}

export type LoadedNative = { available: true; backend: NativeBackend } | { available: false; reason: string };

type Handle = { readonly unwrapper: unique symbol };

/** As native/src/addon.c has it. */
interface Addon {
  features(): number;
  x25519Batch(tier: number, products: Uint8Array, scalars: Uint8Array, elements: Uint8Array, count: number): void;
  aez(symmetric: number, direction: number, key: Uint8Array, nonce: Uint8Array, data: Uint8Array): void;
  aesCtr(symmetric: number, key: Uint8Array, counter: Uint8Array, data: Uint8Array): void;
  hmacSha256(symmetric: number, mac: Uint8Array, key: Uint8Array, data: Uint8Array): void;
  deriveKeys(symmetric: number, output: Uint8Array, secret: Uint8Array): void;
  chacha20(output: Uint8Array, key: Uint8Array): void;
  createUnwrapper(
    tier: number,
    symmetric: number,
    hops: number,
    bodyBytes: number,
    privateKey: Uint8Array,
    tagKey: Uint8Array,
  ): Handle;
  unwrapBatch(handle: Handle, packets: Uint8Array, outcomes: Uint8Array, count: number): void;
  disposeUnwrapper(handle: Handle): void;
}

export const ADDON_PATH = '../../native/build/sphinx.node';
const ENCIPHER = 0;
const DECIPHER = 1;
/** Bits of `Addon.features`. */
const FEATURE = { avx2: 1, avx512Ifma: 2, aes: 4, sha: 8 } as const;
const TIER_FEATURES: Record<X25519Tier, number> = {
  portable: 0,
  avx2: FEATURE.avx2,
  'avx512-ifma': FEATURE.avx512Ifma,
};
const TIER_DESCRIPTIONS: Record<X25519Tier, string> = {
  portable: 'X25519 one by one',
  avx2: 'X25519 in 4 lanes (AVX2)',
  'avx512-ifma': 'X25519 in 8 lanes (AVX-512 IFMA)',
};

/** The best that this machine has. */
export function loadNative(): LoadedNative {
  return createNativeBackend({});
}

/** A backend that computes as chosen, or the reason why this machine cannot. */
export function createNativeBackend({ x25519 = 'best', symmetric = 'best' }: NativeChoice): LoadedNative {
  let addon: Addon;
  try {
    addon = createRequire(import.meta.url)(ADDON_PATH) as Addon;
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return { available: false, reason: `the native addon is not built, or cannot be loaded: ${reason}` };
  }
  const features = addon.features();
  const has = (tier: X25519Tier) => (features & TIER_FEATURES[tier]) === TIER_FEATURES[tier];
  const tier = x25519 === 'best' ? (X25519_TIERS.findLast(has) ?? 'portable') : x25519;
  if (!has(tier)) return { available: false, reason: `this processor has no instructions for ${tier}` };
  return { available: true, backend: backendOf(addon, tier, symmetric, describe(features, tier, symmetric)) };
}

function describe(features: number, tier: X25519Tier, symmetric: 'best' | 'portable'): string {
  const uses = (feature: number) => symmetric === 'best' && (features & feature) !== 0;
  const aes = uses(FEATURE.aes) ? 'AES-NI' : 'AES bitsliced';
  return `${TIER_DESCRIPTIONS[tier]}, ${aes}, ${uses(FEATURE.sha) ? 'SHA-NI' : 'SHA-256 portable'}`;
}

function backendOf(
  addon: Addon,
  x25519Tier: X25519Tier,
  symmetricName: 'best' | 'portable',
  description: string,
): NativeBackend {
  const tier = X25519_TIERS.indexOf(x25519Tier);
  const symmetric = symmetricName === 'best' ? 1 : 0;
  const x25519Batch = (scalars: Uint8Array, elements: Uint8Array, count: number) => {
    const products = new Uint8Array(count * ELEMENT_BYTES);
    addon.x25519Batch(tier, products, scalars, elements, count);
    return products;
  };
  return {
    name: 'native',
    description,
    x25519Tier,
    x25519Batch,
    x25519: (scalar, element) => x25519Batch(scalar, element, 1),
    aezEncrypt: (key, nonce, data) => addon.aez(symmetric, ENCIPHER, key, nonce, data),
    aezDecrypt: (key, nonce, data) => addon.aez(symmetric, DECIPHER, key, nonce, data),
    aesCtr: (key, counter, data) => addon.aesCtr(symmetric, key, counter, data),
    hmacSha256(key, data) {
      const mac = new Uint8Array(MAC_BYTES);
      addon.hmacSha256(symmetric, mac, key, data);
      return mac;
    },
    chacha20(key, length) {
      const output = new Uint8Array(length);
      addon.chacha20(output, key);
      return output;
    },
    hkdfExpand(key, length) {
      const output = new Uint8Array(length);
      addon.deriveKeys(symmetric, output, key);
      return output;
    },
    createUnwrapper: (options) => createUnwrapper(addon, tier, symmetric, options),
  };
}

/** Has the keys until it is disposed of, in memory of the addon that is wiped then, or when it is collected. */
function createUnwrapper(addon: Addon, tier: number, symmetric: number, options: UnwrapperOptions): Unwrapper {
  const { geometry, privateKey, tagKey } = options;
  const handle = addon.createUnwrapper(tier, symmetric, geometry.hops, geometry.bodyBytes, privateKey, tagKey);
  let isDisposed = false;
  return {
    unwrapBatch(packets, outcomes, count) {
      if (isDisposed) throw new FogError('internal', 'the keys of this unwrapper are wiped');
      assertBatch(geometry.packetBytes, packets, outcomes, count);
      addon.unwrapBatch(handle, packets, outcomes, count);
    },
    [Symbol.dispose]() {
      addon.disposeUnwrapper(handle);
      isDisposed = true;
    },
  };
}
