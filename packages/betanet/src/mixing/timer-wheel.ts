/**
 * A hierarchical timer wheel: entries become due at whole milliseconds, and to schedule, to cancel and to fire one cost
 * the same whether there are ten or ten million.
 *
 *     entry   idle -> scheduled -> due (idle again, and told)
 *                     scheduled -> idle (cancelled)        scheduled -> scheduled (at another time)
 *
 * An entry is a number from 0 to `entries - 1`, the slot of whatever the caller keeps. Four levels of 256 buckets:
 * level 0 holds what is due within 256 ms, each level above reaches 256 times as far, and when the hand comes to one of
 * its buckets, the entries there move down. A bucket is a circular, doubly linked list with a head of its own, all in
 * two typed arrays, so nothing is allocated after the beginning.
 *
 * Source: G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7.
 */
import { assertNumber, assertWholeNumber } from './configured-number.ts';
import { MIXING_LIMITS } from './limits.ts';

const LEVELS = 4;
const BUCKET_BITS = 8;
const BUCKETS = 1 << BUCKET_BITS;
const IDLE = 255;

export class TimerWheel {
  readonly entries: number;
  /** Of entries, and behind them of the heads of all buckets. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** When an entry is due, in milliseconds modulo 2^32. */
  readonly #due: Uint32Array;
  readonly #level: Uint8Array;
  /** Scheduled entries of each level. */
  readonly #counts = new Int32Array(LEVELS);
  #size = 0;
  /** The millisecond up to which everything has been told. */
  #tick: number;

  /** Throws `invalid-configuration` unless 1 <= entries <= `MIXING_LIMITS.wheelEntries`. */
  constructor(entries: number, startMilliseconds: number) {
    assertWholeNumber('entries of the timer wheel', entries, 1, MIXING_LIMITS.wheelEntries);
    assertNumber('the start of the timer wheel', startMilliseconds, 0, Number.MAX_SAFE_INTEGER);
    this.entries = entries;
    this.#tick = Math.floor(startMilliseconds);
    this.#next = new Int32Array(entries + LEVELS * BUCKETS).map((_, index) => index);
    this.#previous = this.#next.slice();
    this.#due = new Uint32Array(entries);
    this.#level = new Uint8Array(entries).fill(IDLE);
  }

  /** Scheduled entries. */
  get size(): number {
    return this.#size;
  }

  /** The millisecond up to which everything has been told. */
  get tickMilliseconds(): number {
    return this.#tick;
  }

  isScheduled(entry: number): boolean {
    return this.#level[entry] !== IDLE && entry >= 0 && entry < this.entries;
  }

  /**
   * Makes an entry due at a time of the clock that `advance` is given, rounded to the nearest millisecond. One that was
   * told is over: the one after `tickMilliseconds` is the earliest. An entry that was scheduled is moved. Throws a
   * `RangeError` for a time further ahead than `MIXING_LIMITS.wheelMilliseconds`, or no entry of this wheel.
   */
  scheduleAt(entry: number, dueMilliseconds: number): void {
    if (!(Number.isInteger(entry) && entry >= 0 && entry < this.entries)) {
      throw new RangeError(`${entry} is no entry of a wheel of ${this.entries}`);
    }
    const delay = Math.max(1, Math.round(dueMilliseconds) - this.#tick);
    if (!(delay <= MIXING_LIMITS.wheelMilliseconds)) {
      throw new RangeError(`a timer wheel does not reach ${delay} ms ahead`);
    }
    this.cancel(entry);
    this.#due[entry] = this.#tick + delay;
    this.#size += 1;
    this.#link(entry, delay);
  }

  /** The same, counted from `tickMilliseconds`. */
  schedule(entry: number, delayMilliseconds: number): void {
    this.scheduleAt(entry, this.#tick + delayMilliseconds);
  }

  /** Whether the entry was scheduled. */
  cancel(entry: number): boolean {
    if (!this.isScheduled(entry)) return false;
    this.#unlink(entry);
    this.#size -= 1;
    return true;
  }

  /**
   * Tells each entry that is due by `now` to `onDue`, in the order of their milliseconds; those of one millisecond come
   * in no order that means anything. When `now` went backwards, nothing happens. `onDue` may schedule and cancel; what
   * it schedules is told in this call too if it is due by `now`. What is left when it throws, the next call tells.
   */
  advance(now: number, onDue: (entry: number) => void): void {
    const end = Math.floor(now);
    this.#fire(onDue);
    while (this.#tick < end) {
      this.#tick = Math.min(end, this.#nextStop());
      this.#moveDown();
      this.#fire(onDue);
    }
  }

  /** The next millisecond at which an entry may be due or has to move down; infinite when none is scheduled. */
  #nextStop(): number {
    for (let level = 0, reach = 1; level < LEVELS; level += 1, reach *= BUCKETS) {
      if (this.#counts[level] !== 0) return (Math.floor(this.#tick / reach) + 1) * reach;
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Moves down what is in the buckets that the hand of each upper level has just come to. */
  #moveDown(): void {
    for (let level = 1, reach = BUCKETS; level < LEVELS && this.#tick % reach === 0; level += 1, reach *= BUCKETS) {
      const head = this.#headOf(level, this.#tick);
      // An entry is never a whole turn away when the hand comes, so each goes to a level below and the list ends.
      for (let entry = this.#next[head] as number; entry !== head; entry = this.#next[head] as number) {
        this.#unlink(entry);
        this.#link(entry, ((this.#due[entry] as number) - this.#tick) >>> 0);
      }
    }
  }

  #fire(onDue: (entry: number) => void): void {
    const head = this.#headOf(0, this.#tick);
    for (let entry = this.#next[head] as number; entry !== head; entry = this.#next[head] as number) {
      this.#unlink(entry);
      this.#size -= 1;
      onDue(entry);
    }
  }

  #link(entry: number, delay: number): void {
    let level = 0;
    while (delay >>> (BUCKET_BITS * (level + 1)) !== 0 && level < LEVELS - 1) level += 1;
    const head = this.#headOf(level, this.#due[entry] as number);
    const last = this.#previous[head] as number;
    this.#next[last] = entry;
    this.#previous[entry] = last;
    this.#next[entry] = head;
    this.#previous[head] = entry;
    this.#level[entry] = level;
    this.#counts[level] = (this.#counts[level] as number) + 1;
  }

  #unlink(entry: number): void {
    const level = this.#level[entry] as number;
    const next = this.#next[entry] as number;
    const previous = this.#previous[entry] as number;
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#level[entry] = IDLE;
    this.#counts[level] = (this.#counts[level] as number) - 1;
  }

  #headOf(level: number, milliseconds: number): number {
    // Truncated to 32 bits first, as `#due` is.
    return this.entries + level * BUCKETS + (((milliseconds >>> 0) >>> (BUCKET_BITS * level)) & (BUCKETS - 1));
  }
}
