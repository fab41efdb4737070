/**
 * The replay tags that a node has seen under one key: an exact set that forgets nothing and makes no mistakes. It is
 * deleted together with its key, never before.
 *
 * A tag is 8 bytes of a keyed hash, so nobody without the key can choose where it falls. Two different packets share
 * one by chance alone: with n tags in the set, the next packet is refused wrongly with probability n / 2^64.
 *
 * Open addressing in pairs of 32-bit words, linear probing, at most three quarters full. The set is cut into segments
 * that grow by half one at a time, so that no single insert waits for all tags to be moved.
 */
import { assertWholeNumber } from './configured-number.ts';
import { MIXING_LIMITS } from './limits.ts';

export const REPLAY_TAG_BYTES = 8;

/** `full`: the tag is new, and the set holds as many as it was made for. The packet must not be let through. */
export const REPLAY_ANSWERS = ['new', 'replay', 'full'] as const;
export type ReplayAnswer = (typeof REPLAY_ANSWERS)[number];

const FIRST_SLOTS = 16;
const GROWTH = 1.5;
const MOST_LOAD = 0.75;
const TWO_32 = 2 ** 32;

export class ReplaySet {
  readonly capacity: number;
  readonly #segments: Uint32Array[];
  /** Tags in each segment. */
  readonly #counts: Uint32Array;
  /** Slots of a segment that holds its share of a full set, and as much more as chance ever adds. */
  readonly #finalSlots: number;
  #size = 0;
  #bytesUsed = 0;
  /** An empty slot is all zeros, so the tag that looks like one is remembered here. */
  #hasZero = false;

  /** Throws `invalid-configuration` unless 1 <= capacity <= `MIXING_LIMITS.replayTags`. */
  constructor(capacity: number) {
    assertWholeNumber('the capacity of the replay set', capacity, 1, MIXING_LIMITS.replayTags);
    this.capacity = capacity;
    let segments = 1;
    while (segments * MIXING_LIMITS.replayTagsPerSegment < capacity) segments *= 2;
    this.#segments = Array.from({ length: segments }, () => new Uint32Array(2 * FIRST_SLOTS));
    this.#counts = new Uint32Array(segments);
    this.#bytesUsed = segments * FIRST_SLOTS * REPLAY_TAG_BYTES;
    const share = capacity / segments;
    this.#finalSlots = Math.ceil((share + 6 * Math.sqrt(share)) / MOST_LOAD);
  }

  /** Tags in the set. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that its tables take. */
  get bytesUsed(): number {
    return this.#bytesUsed;
  }

  /** Enters the 8 bytes at `offset`, unless they are in the set or it is full. */
  insert(bytes: Uint8Array, offset: number): ReplayAnswer {
    if (!(offset >= 0 && offset + REPLAY_TAG_BYTES <= bytes.length)) {
      throw new RangeError(`there is no tag at byte ${offset} of ${bytes.length}`);
    }
    const low = wordAt(bytes, offset);
    const high = wordAt(bytes, offset + 4);
    if (low === 0 && high === 0) return this.#insertZero();
    const mixed = mixedWord(low, high);
    const segment = mixed & (this.#segments.length - 1);
    const table = this.#segments[segment] as Uint32Array;
    const at = find(table, mixed, low, high);
    if (table[at] !== 0 || table[at + 1] !== 0) return 'replay';
    if (this.#size >= this.capacity) return 'full';
    table[at] = low;
    table[at + 1] = high;
    this.#size += 1;
    const count = (this.#counts[segment] as number) + 1;
    this.#counts[segment] = count;
    if (2 * count > MOST_LOAD * table.length) this.#grow(segment);
    return 'new';
  }

  #insertZero(): ReplayAnswer {
    if (this.#hasZero) return 'replay';
    if (this.#size >= this.capacity) return 'full';
    this.#hasZero = true;
    this.#size += 1;
    return 'new';
  }

  #grow(segment: number): void {
    const old = this.#segments[segment] as Uint32Array;
    const grown = Math.ceil((old.length / 2) * GROWTH);
    // The last step is as long as it has to be, and most segments then never grow again.
    const isLast = old.length / 2 < this.#finalSlots && grown > this.#finalSlots / GROWTH ** 0.5;
    const table = new Uint32Array(2 * (isLast ? this.#finalSlots : grown));
    // Homes grow with the mixed word, so both tables are walked nearly in order.
    for (let at = 0; at < old.length; at += 2) {
      const low = old[at] as number;
      const high = old[at + 1] as number;
      if (low === 0 && high === 0) continue;
      const free = find(table, mixedWord(low, high), low, high);
      table[free] = low;
      table[free + 1] = high;
    }
    this.#segments[segment] = table;
    this.#bytesUsed += table.byteLength - old.byteLength;
  }
}

/** Where the tag stands, or the empty slot where it belongs. There is one: a table is never full. */
function find(table: Uint32Array, mixed: number, low: number, high: number): number {
  // Scaling uses the upper bits; the segment was chosen by the lower ones.
  let at = 2 * Math.floor((mixed * (table.length / 2)) / TWO_32);
  for (;;) {
    const first = table[at] as number;
    const second = table[at + 1] as number;
    if ((first === low && second === high) || (first === 0 && second === 0)) return at;
    at += 2;
    if (at === table.length) at = 0;
  }
}

/** Tags are random already; this keeps the set fast should they ever come with a pattern. */
function mixedWord(low: number, high: number): number {
  const product = Math.imul(low ^ Math.imul(high, 0x9e37_79b1), 0x85eb_ca6b);
  return (product ^ (product >>> 15)) >>> 0;
}

function wordAt(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset] as number) |
      ((bytes[offset + 1] as number) << 8) |
      ((bytes[offset + 2] as number) << 16) |
      ((bytes[offset + 3] as number) << 24)) >>>
    0
  );
}
