import { createRequire } from 'node:module';
import type { SphinxBackend } from '../backend.ts';
import { ELEMENT_BYTES } from '../geometry.ts';
import { nodePrimitives } from '../primitives.ts';
import { createUnwrapper } from './unwrapper.ts';

interface Sodium {
  /** Throws when the product is the neutral element. */
  crypto_scalarmult(product: Buffer, scalar: Buffer, element: Buffer): void;
}

export type LoadedBackend = { available: true; backend: SphinxBackend } | { available: false; reason: string };

/** X25519 of libsodium where its package could be installed, the rest of Node's own. */
export function loadSodium(): LoadedBackend {
  let sodium: Sodium;
  try {
    sodium = createRequire(import.meta.url)('sodium-native') as Sodium;
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return { available: false, reason: `sodium-native cannot be loaded: ${reason}` };
  }
  const x25519 = (scalar: Uint8Array, element: Uint8Array): Uint8Array => {
    const product = Buffer.alloc(ELEMENT_BYTES);
    try {
      // Views: a copy would lie in a pool that nobody wipes.
      sodium.crypto_scalarmult(product, viewOf(scalar), viewOf(element));
    } catch {
      return new Uint8Array(ELEMENT_BYTES);
    }
    return product;
  };
  const primitives = nodePrimitives(x25519);
  const backend: SphinxBackend = {
    name: 'sodium',
    description: 'X25519 of libsodium, AES-CTR and SHA-256 of OpenSSL, AEZ in JavaScript',
    x25519,
    createUnwrapper: (options) => createUnwrapper(primitives, options),
  };
  return { available: true, backend };
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
