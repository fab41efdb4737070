/**
 * Which row an id of 128 bits belongs to: an open-addressing table of (hash, value) pairs. The ids themselves lie in the
 * rows, so whoever looks up compares those whose hash fits:
 *
 *     for (let slot = index.first(hash); slot >= 0; slot = index.next(slot, hash)) ... index.valueAt(slot) ...
 *
 * The newest entries can be taken out again, the last first, as long as the table has not grown since.
 */
const LEAST_SLOTS = 64;

export class IdIndex {
  readonly #seed: number;
  readonly #initialSlots: number;
  /** Hash and value of each slot; value 0 is an empty one. */
  #table: Uint32Array;
  #mask: number;
  #count = 0;

  /** `seed` decides where entries lie, never what is found. */
  constructor(entries: number, seed: number) {
    this.#seed = seed | 0;
    this.#initialSlots = slotsFor(entries);
    this.#table = new Uint32Array(this.#initialSlots * 2);
    this.#mask = this.#initialSlots - 1;
  }

  /** The hash of an id in `words`. */
  hash(words: Uint32Array, at: number): number {
    let hash = this.#seed ^ (words[at] as number);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) ^ (words[at + 1] as number);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35) ^ (words[at + 2] as number);
    hash = Math.imul(hash ^ (hash >>> 16), 0x27d4eb2f) ^ (words[at + 3] as number);
    hash = Math.imul(hash ^ (hash >>> 15), 0x9e3779b1);
    return (hash ^ (hash >>> 14)) >>> 0;
  }

  /** First slot whose entry has this hash; negative when there is none. */
  first(hash: number): number {
    return this.#seek(hash & this.#mask, hash);
  }

  next(slot: number, hash: number): number {
    return this.#seek((slot + 1) & this.#mask, hash);
  }

  valueAt(slot: number): number {
    return this.#table[slot * 2 + 1] as number;
  }

  /** Reads where the hash would lie, so that the processor has it near when it is looked up. */
  touch(hash: number): number {
    return this.#table[(hash & this.#mask) * 2] as number;
  }

  /** Makes room, so that nothing moves while so many are put in. */
  reserve(more: number): void {
    const wanted = slotsFor(this.#count + more);
    if (wanted <= this.#mask + 1) return;
    const old = this.#table;
    this.#table = new Uint32Array(wanted * 2);
    this.#mask = wanted - 1;
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] !== 0) this.#put(old[at] as number, old[at + 1] as number);
    }
  }

  /** Puts an entry in; there has to be room. `value` is not 0. */
  insert(hash: number, value: number): void {
    this.#count += 1;
    this.#put(hash, value);
  }

  /** Takes the newest entry out. */
  removeNewest(hash: number, value: number): void {
    let slot = hash & this.#mask;
    while (this.#table[slot * 2 + 1] !== value || this.#table[slot * 2] !== hash) slot = (slot + 1) & this.#mask;
    this.#table[slot * 2 + 1] = 0;
    this.#count -= 1;
  }

  clear(): void {
    if (this.#count === 0) return;
    this.#count = 0;
    if (this.#mask + 1 > this.#initialSlots) {
      this.#table = new Uint32Array(this.#initialSlots * 2);
      this.#mask = this.#initialSlots - 1;
    } else {
      this.#table.fill(0);
    }
  }

  #seek(from: number, hash: number): number {
    const table = this.#table;
    for (let slot = from; ; slot = (slot + 1) & this.#mask) {
      if (table[slot * 2 + 1] === 0) return -1;
      if (table[slot * 2] === hash) return slot;
    }
  }

  #put(hash: number, value: number): void {
    let slot = hash & this.#mask;
    while (this.#table[slot * 2 + 1] !== 0) slot = (slot + 1) & this.#mask;
    this.#table[slot * 2] = hash;
    this.#table[slot * 2 + 1] = value;
  }
}

/** A power of two, with three slots in ten empty at least. */
function slotsFor(entries: number): number {
  let slots = LEAST_SLOTS;
  while (slots * 7 < entries * 10) slots *= 2;
  return slots;
}
