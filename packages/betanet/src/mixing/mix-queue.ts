/**
 * The delay queue of a mix: packets wait for the time that their senders chose, and leave in an order that tells
 * nothing of the one in which they came.
 *
 *     packet   arriving -> held -> due -> gone
 *              arriving, held -> dropped (the queue is full; see `randomDrop`)
 *
 * Bounded memory, no allocation for a packet, nothing left of one that is gone. Those that leave in one call of
 * `advance` are shuffled together: they follow each other on the wire, and their order would otherwise be that of lists
 * in here.
 */
import { assertWholeNumber } from './configured-number.ts';
import type { DropCounters } from './drop-counters.ts';
import { MIXING_LIMITS } from './limits.ts';
import { PacketPool, type PacketPoolOptions, randomDrop } from './packet-pool.ts';
import type { RandomNumbers } from './random-numbers.ts';
import { TimerWheel } from './timer-wheel.ts';

export interface MixQueueOptions extends PacketPoolOptions {
  /** The longest time that the node holds a packet. A packet that asks for more leaves after this. */
  delayCapMilliseconds: number;
  /** The clock that `enqueue` and `advance` are given, at the beginning. It must be monotonic. */
  startMilliseconds: number;
  random: RandomNumbers;
  /** Where `queue-full` and `delay-capped` are counted. */
  drops: DropCounters;
}

export const ENQUEUE_ANSWERS = ['held', 'held-instead', 'dropped'] as const;
/** `held-instead`: the packet took the place of another, which was dropped. */
export type EnqueueAnswer = (typeof ENQUEUE_ANSWERS)[number];

export interface DuePacket {
  /** All packets of the queue; this one begins at `offset`. Valid until the call returns. */
  bytes: Uint8Array;
  offset: number;
  nextHop: number;
  /** How long it was to be held, and was. */
  askedMilliseconds: number;
  heldMilliseconds: number;
}

export interface MixQueueCounters {
  entered: number;
  left: number;
  droppedArriving: number;
  droppedHeld: number;
  /** The most packets that were held at a time. */
  mostHeld: number;
  /** Of the packets that left: the sum of the delays asked for and of those achieved, so that both can be compared. */
  askedMilliseconds: number;
  heldMilliseconds: number;
}

export class MixQueue {
  readonly #pool: PacketPool;
  readonly #wheel: TimerWheel;
  readonly #random: RandomNumbers;
  readonly #drops: DropCounters;
  readonly #delayCapMilliseconds: number;
  readonly #nextHop: Int32Array;
  readonly #arrivedAt: Float64Array;
  readonly #asked: Float64Array;
  /** Slots whose time has come, and how many of them have not left yet. */
  readonly #due: Int32Array;
  #dueCount = 0;
  readonly #collectDue = (slot: number): void => {
    this.#due[this.#dueCount++] = slot;
  };
  /** Handed out for every packet that leaves, so that none is made for each. */
  readonly #duePacket: DuePacket;
  readonly #counters: MixQueueCounters = {
    entered: 0,
    left: 0,
    droppedArriving: 0,
    droppedHeld: 0,
    mostHeld: 0,
    askedMilliseconds: 0,
    heldMilliseconds: 0,
  };

  /** Throws `invalid-configuration` when a size is beyond `MIXING_LIMITS`. */
  constructor({ delayCapMilliseconds, startMilliseconds, random, drops, ...poolOptions }: MixQueueOptions) {
    assertWholeNumber('the cap of delays', delayCapMilliseconds, 0, MIXING_LIMITS.wheelMilliseconds - 1);
    const pool = new PacketPool(poolOptions);
    this.#pool = pool;
    this.#wheel = new TimerWheel(pool.capacity, startMilliseconds);
    this.#random = random;
    this.#drops = drops;
    this.#delayCapMilliseconds = delayCapMilliseconds;
    this.#nextHop = new Int32Array(pool.capacity);
    this.#arrivedAt = new Float64Array(pool.capacity);
    this.#asked = new Float64Array(pool.capacity);
    this.#due = new Int32Array(pool.capacity);
    this.#duePacket = { bytes: pool.bytes, offset: 0, nextHop: 0, askedMilliseconds: 0, heldMilliseconds: 0 };
  }

  /** Packets that are held. */
  get held(): number {
    return this.#pool.taken;
  }

  counters(): MixQueueCounters {
    return { ...this.#counters };
  }

  /**
   * Copies a packet in, to leave for the node with that index after `delayMilliseconds` (a whole number, as the header
   * has it), rounded to the nearest tick of the clock. A delay over the cap is counted and cut to it. Throws a
   * `RangeError` for a packet of another size or an index that cannot be one.
   */
  enqueue(packet: Uint8Array, nextHop: number, delayMilliseconds: number, now: number): EnqueueAnswer {
    if (!(Number.isInteger(nextHop) && nextHop >= 0 && nextHop < MIXING_LIMITS.nextHops)) {
      throw new RangeError(`${nextHop} is not the index of a next hop`);
    }
    if (!(delayMilliseconds >= 0)) throw new RangeError(`a packet cannot be held for ${delayMilliseconds} ms`);
    if (delayMilliseconds > this.#delayCapMilliseconds) this.#drops.add('delay-capped');
    this.#pool.assertSize(packet);
    const asked = Math.min(delayMilliseconds, this.#delayCapMilliseconds);
    const free = this.#pool.take();
    const slot = free === -1 ? this.#giveUpOne() : free;
    if (slot === -1) return 'dropped';
    this.#pool.write(slot, packet);
    this.#nextHop[slot] = nextHop;
    this.#arrivedAt[slot] = now;
    this.#asked[slot] = asked;
    this.#wheel.scheduleAt(slot, now + asked);
    this.#counters.entered += 1;
    this.#counters.mostHeld = Math.max(this.#counters.mostHeld, this.#pool.taken);
    return free === -1 ? 'held-instead' : 'held';
  }

  /** The slot of the packet that a full queue drops, or -1 when that is the arriving one. */
  #giveUpOne(): number {
    this.#drops.add('queue-full');
    const slot = randomDrop(this.#pool.capacity, this.#random);
    // Packets that are just leaving are out of reach; this happens only within `onDue`.
    const isHeld = slot !== -1 && this.#wheel.isScheduled(slot);
    this.#counters[isHeld ? 'droppedHeld' : 'droppedArriving'] += 1;
    return isHeld ? slot : -1;
  }

  /**
   * Hands every packet that is due by `now` to `onDue`, shuffled, and forgets it. The object that `onDue` gets is
   * overwritten for the next one. What an `onDue` that throws left behind leaves with the next call.
   */
  advance(now: number, onDue: (packet: DuePacket) => void): void {
    this.#wheel.advance(now, this.#collectDue);
    this.#random.shuffle(this.#due, this.#dueCount);
    while (this.#dueCount > 0) {
      this.#dueCount -= 1;
      const slot = this.#due[this.#dueCount] as number;
      this.#fillDuePacket(slot, now);
      try {
        onDue(this.#duePacket);
      } finally {
        this.#forget(slot);
      }
    }
  }

  /** Whoever gets hold of the memory later must not find when a packet came that has left. */
  #forget(slot: number): void {
    this.#pool.release(slot);
    this.#nextHop[slot] = 0;
    this.#arrivedAt[slot] = 0;
    this.#asked[slot] = 0;
  }

  #fillDuePacket(slot: number, now: number): void {
    const packet = this.#duePacket;
    packet.offset = slot * this.#pool.packetBytes;
    packet.nextHop = this.#nextHop[slot] as number;
    packet.askedMilliseconds = this.#asked[slot] as number;
    packet.heldMilliseconds = now - (this.#arrivedAt[slot] as number);
    this.#counters.left += 1;
    this.#counters.askedMilliseconds += packet.askedMilliseconds;
    this.#counters.heldMilliseconds += packet.heldMilliseconds;
  }
}
