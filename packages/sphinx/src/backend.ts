/**
 * Where the arithmetic of a node runs. The TypeScript in this package is the definition of the format; a backend is a
 * faster way to the same bytes, and every one passes the same vectors.
 *
 *     native       C by Node-API (native/): X25519 in 8 lanes of AVX-512 IFMA, 4 of AVX2, or one portable; AES-NI, SHA-NI
 *     sodium       X25519 of sodium-native, the rest in TypeScript and node:crypto
 *     typescript   no machine code of ours or others beyond Node itself
 */
import type { Geometry } from './geometry.ts';

export const BACKEND_NAMES = ['native', 'sodium', 'typescript'] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];

export interface SphinxBackend {
  readonly name: BackendName;
  /** What of it runs on this machine, e.g. "X25519 in 8 lanes (AVX-512 IFMA), AES-NI, SHA-NI". */
  readonly description: string;
  /** RFC 7748, with clamping. A point of low order gives 32 zeros, as the primitive does; `unwrap` refuses those. */
  x25519(scalar: Uint8Array, element: Uint8Array): Uint8Array;
  createUnwrapper(options: UnwrapperOptions): Unwrapper;
}

export interface UnwrapperOptions {
  geometry: Geometry;
  /** X25519 private key of the node for one epoch, 32 bytes. It is copied. */
  privateKey: Uint8Array;
  /** Key of the replay tags, 32 random bytes that live as long as the private key. It is copied. */
  tagKey: Uint8Array;
}

/** Unwraps packets under one private key. */
export interface Unwrapper extends Disposable {
  /**
   * Unwraps `count` packets (at most `SPHINX_LIMITS.batchPackets`) that lie one after another in `packets`, in place,
   * and writes one record (outcome.ts) for each into `outcomes`. Both may be views of shared memory. Never throws on
   * the content of a packet.
   *
   * The replay tag is the first 8 bytes of HMAC-SHA-256(tagKey, shared secret): equal for equal headers, and of no
   * meaning to anybody without the key.
   */
  unwrapBatch(packets: Uint8Array, outcomes: Uint8Array, count: number): void;
  /** Wipes the keys. Later calls throw. */
  [Symbol.dispose](): void;
}
