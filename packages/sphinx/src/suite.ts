/**
 * What a Sphinx format leaves to be chosen: the sizes in its header, and what is derived from the secret that a packet
 * shares with a hop. Everything else (chain of blinded elements, filler, nested MACs, layers of the payload) is one
 * algorithm, in header.ts.
 *
 * Source: Danezis, Goldberg, "Sphinx: A Compact and Provably Secure Mix Format" (IEEE S&P 2009), section 3.
 */
import type { Primitives } from './primitives.ts';

export interface Suite {
  readonly name: string;
  /** In front of the group element, and under the MAC. */
  readonly associatedData: Uint8Array;
  /** How far the routing information moves at each hop. */
  readonly slotBytes: number;
  /** By how much the routing information is longer than one slot for each hop. */
  readonly trailerBytes: number;
  readonly macBytes: number;
  /** Zeros in front of the payload. */
  readonly payloadTagBytes: number;
  /** Length of the secret by which the owner of a reply block recognises the reply. */
  readonly replyKeyBytes: number;
  hop(primitives: Primitives, element: Uint8Array, sharedSecret: Uint8Array): HopSecrets;
  /** The layer that whoever uses a reply block adds. */
  replyCipher(primitives: Primitives, replyKey: Uint8Array): PayloadCipher;
}

/** A permutation of the whole payload. Both directions return new bytes. */
export interface PayloadCipher {
  encrypt(payload: Uint8Array): Uint8Array;
  decrypt(payload: Uint8Array): Uint8Array;
}

/** What both ends of one hop derive from their shared secret. */
export interface HopSecrets extends PayloadCipher {
  mac(parts: readonly Uint8Array[]): Uint8Array;
  stream(length: number): Uint8Array;
  /** By which the group element of the next hop is multiplied. */
  readonly blindingScalar: Uint8Array;
  /** The key of the payload, for whoever has to keep it longer than the hop's other secrets. */
  readonly payloadKey: Uint8Array;
  wipe(): void;
}
