/**
 * When single packets came to a node and left it. A mix network exists so that nobody can tell that; so it is kept on
 * networks marked `test` alone, in memory, and only of the last packets.
 *
 *     unknown -> arrived -> left
 *
 * A packet is known by the hash of the group element in its header. On its way through a node the element changes: it
 * arrives here with one, and leaves with the next node's. Only who made the packet knows both, and so can join them.
 */
import { createHash } from 'node:crypto';
import { OUTCOME_BYTES, REPLAY_TAG_BYTES } from '@fog/sphinx';
import { NODE_LIMITS } from './limits.ts';

const ELEMENT_AT = 2;
const ELEMENT_BYTES = 32;
const TAG_AT = 8;
const HASH_CHARACTERS = 32;

/** Milliseconds since 1970, with fractions, by the clock of the node. */
export interface TracedTimes {
  arrivedAt?: number;
  /** With this element: towards the node that will find it, or to whom it was delivered. */
  leftAt?: number;
}

/** 16 bytes of SHA-256, as hex. */
export function elementHash(element: Uint8Array): string {
  return createHash('sha256').update(element).digest('hex').slice(0, HASH_CHARACTERS);
}

export class PacketTrace {
  readonly #times = new Map<string, TracedTimes>();
  /** Replay tags of packets that end here: their headers are gone when they are delivered. */
  readonly #ending = new Map<string, string>();

  /** Packets that lie `stride` bytes apart have come. */
  arrived(packets: Uint8Array, count: number, stride: number): void {
    const arrivedAt = now();
    for (let index = 0; index < count; index += 1) this.#note(hashAt(packets, index * stride), { arrivedAt });
  }

  /** A packet has been unwrapped that is for somebody here; its header is as it came. */
  ends(packet: Uint8Array, outcome: Uint8Array): void {
    this.#ending.set(tagOf(outcome), hashAt(packet, 0));
    forgetOldest(this.#ending);
  }

  forwarded(packet: Uint8Array): void {
    this.#note(hashAt(packet, 0), { leftAt: now() });
  }

  /** `delivery` begins with its outcome. */
  delivered(delivery: Uint8Array): void {
    const tag = tagOf(delivery.subarray(0, OUTCOME_BYTES));
    const hash = this.#ending.get(tag);
    this.#ending.delete(tag);
    if (hash !== undefined) this.#note(hash, { leftAt: now() });
  }

  /** Null for a packet that was not here, or so long ago that it is forgotten. */
  find(hash: string): TracedTimes | null {
    return this.#times.get(hash) ?? null;
  }

  #note(hash: string, times: TracedTimes): void {
    this.#times.set(hash, { ...this.#times.get(hash), ...times });
    forgetOldest(this.#times);
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

function hashAt(packets: Uint8Array, offset: number): string {
  return elementHash(packets.subarray(offset + ELEMENT_AT, offset + ELEMENT_AT + ELEMENT_BYTES));
}

function tagOf(outcome: Uint8Array): string {
  return Buffer.from(outcome.subarray(TAG_AT, TAG_AT + REPLAY_TAG_BYTES)).toString('hex');
}

function forgetOldest(known: Map<string, unknown>): void {
  for (const key of known.keys()) {
    if (known.size <= NODE_LIMITS.tracedPackets) return;
    known.delete(key);
  }
}
