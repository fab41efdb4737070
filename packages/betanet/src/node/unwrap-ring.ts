/**
 * The memory that the I/O thread shares with one unwrapping thread: a ring of slots, one packet and one outcome each.
 *
 *     I/O thread       copies a packet into slot `written`, then counts it
 *     unwrapping       waits for `written` to move, unwraps in place what lies between `done` and `written`, moves `done`
 *     I/O thread       reads outcomes and packets up to `done`, which frees their slots
 *
 * Each counter is moved by one side alone and never goes back, so there are no locks. Counters run over at 2^32; the
 * number of slots is a power of two, so slots go on in order.
 */
import { OUTCOME_BYTES } from '@fog/sphinx';

/** Words of the control block. They lie in cache lines of their own: two threads write to them all the time. */
export const CONTROL = { written: 0, done: 16, orders: 32 } as const;
const CONTROL_WORDS = 48;

export interface UnwrapRing {
  /** A power of two. */
  slots: number;
  packetBytes: number;
  control: Int32Array<SharedArrayBuffer>;
  packets: Uint8Array<SharedArrayBuffer>;
  outcomes: Uint8Array<SharedArrayBuffer>;
}

export function createRing(slots: number, packetBytes: number): UnwrapRing {
  if (slots < 1 || (slots & (slots - 1)) !== 0) throw new RangeError(`${slots} is no power of two`);
  return {
    slots,
    packetBytes,
    control: new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * Int32Array.BYTES_PER_ELEMENT)),
    packets: new Uint8Array(new SharedArrayBuffer(slots * packetBytes)),
    outcomes: new Uint8Array(new SharedArrayBuffer(slots * OUTCOME_BYTES)),
  };
}

/** What the I/O thread tells an unwrapping thread: which keys it has from now on, in the order in which to try them. */
export interface UnwrapKeys {
  keys: readonly UnwrapKey[];
}

export interface UnwrapKey {
  epoch: number;
  privateKey: Uint8Array;
  tagKey: Uint8Array;
}

/** Where in an outcome record stands which key opened the packet: the lowest byte of its epoch. */
export const OUTCOME_EPOCH_AT = 1;

/** How far a counter is ahead of another, though one may have run over. */
export function distance(from: number, to: number): number {
  return (to - from) >>> 0;
}
