/**
 * Room for a bounded number of packets of one size, in one piece of memory that threads can share.
 *
 *     slot   free -> taken -> free
 */
import { assertWholeNumber } from './configured-number.ts';
import { MIXING_LIMITS } from './limits.ts';
import type { RandomNumbers } from './random-numbers.ts';

export interface PacketPoolOptions {
  /** Packets. */
  capacity: number;
  packetBytes: number;
  /** Whether the memory is a `SharedArrayBuffer`. Default: false. */
  isShared?: boolean;
}

export class PacketPool {
  readonly capacity: number;
  readonly packetBytes: number;
  /** All slots, one after another. */
  readonly bytes: Uint8Array;
  /** A stack: the first `#freeCount` entries are the free slots. */
  readonly #free: Int32Array;
  readonly #isTaken: Uint8Array;
  #freeCount: number;

  /** Throws `invalid-configuration` when capacity, packet size, or both together are beyond `MIXING_LIMITS`. */
  constructor({ capacity, packetBytes, isShared = false }: PacketPoolOptions) {
    assertWholeNumber('the capacity of the packet pool', capacity, 1, MIXING_LIMITS.heldPackets);
    assertWholeNumber('the size of a packet', packetBytes, 1, Math.floor(MIXING_LIMITS.poolBytes / capacity));
    this.capacity = capacity;
    this.packetBytes = packetBytes;
    const totalBytes = capacity * packetBytes;
    this.bytes = new Uint8Array(isShared ? new SharedArrayBuffer(totalBytes) : new ArrayBuffer(totalBytes));
    this.#free = new Int32Array(capacity).map((_, index) => capacity - 1 - index);
    this.#isTaken = new Uint8Array(capacity);
    this.#freeCount = capacity;
  }

  /** Slots that are taken. */
  get taken(): number {
    return this.capacity - this.#freeCount;
  }

  /** A free slot, taken from now on; -1 when there is none. */
  take(): number {
    if (this.#freeCount === 0) return -1;
    this.#freeCount -= 1;
    const slot = this.#free[this.#freeCount] as number;
    this.#isTaken[slot] = 1;
    return slot;
  }

  /** Throws a `RangeError` unless the packet has the size of a slot. */
  assertSize(packet: Uint8Array): void {
    if (packet.length === this.packetBytes) return;
    throw new RangeError(`a packet of ${packet.length} bytes does not belong into slots of ${this.packetBytes}`);
  }

  /** Copies a packet into a slot. Throws a `RangeError` for another size. */
  write(slot: number, packet: Uint8Array): void {
    this.assertSize(packet);
    this.bytes.set(packet, slot * this.packetBytes);
  }

  /** Wipes a slot. Throws a `RangeError` for one that is not taken: freed twice, it would be given to two packets. */
  release(slot: number): void {
    if (this.#isTaken[slot] !== 1) throw new RangeError(`slot ${slot} of the packet pool is not taken`);
    this.bytes.fill(0, slot * this.packetBytes, (slot + 1) * this.packetBytes);
    this.#isTaken[slot] = 0;
    this.#free[this.#freeCount] = slot;
    this.#freeCount += 1;
  }
}

/**
 * What a full pool gives up for an arriving packet: one of the `capacity` slots, or -1 for the arriving packet itself.
 * Random drop: each of the `capacity + 1` packets has the same chance.
 *
 * Consequence: a flood of k packets against a full pool of C removes a certain held packet with probability
 * 1 - (1 - 1/(C+1))^k, about 1 - e^(-k/C): never for certain, whatever the flood, and the packets of the flood fare no
 * better. Dropping what arrives (tail drop) would let an attacker keep honest packets out for certain, dropping the
 * oldest would let it flush them out for certain with C packets; both are what an (n-1) attack needs. What random drop
 * does not do is tell honest packets from others: the limits on links and prefixes in front of the pool do.
 */
export function randomDrop(capacity: number, random: RandomNumbers): number {
  return random.below(capacity + 1) - 1;
}
