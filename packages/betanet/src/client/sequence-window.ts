/**
 * Which of the latest numbers of a sender have been seen. A number is taken once, in any order; numbers that fell out of
 * the window are too old, whether they were taken or not. Memory does not grow. Source of the idea: RFC 4303, 3.4.3.
 */

const NUMBERS = 2 ** 32;

export class SequenceWindow {
  readonly #seen: Uint8Array;
  /** The next number after the highest one seen. */
  #end = 0;

  constructor(size: number) {
    this.#seen = new Uint8Array(size);
  }

  /** The highest number that was taken; -1 when none was. */
  get highest(): number {
    return this.#end - 1;
  }

  /** Below it, every number is too old. */
  get floor(): number {
    return Math.max(0, this.#end - this.#seen.length);
  }

  look(number: number): 'new' | 'seen' | 'old' {
    if (number < this.floor) return 'old';
    return number < this.#end && this.#seen[number % this.#seen.length] === 1 ? 'seen' : 'new';
  }

  /** Takes a number that `look` calls new; moves the window when it is beyond it. Answers what `look` did. */
  take(number: number): 'new' | 'seen' | 'old' {
    if (!(Number.isInteger(number) && number >= 0 && number < NUMBERS)) throw new RangeError(`${number} is no uint32`);
    const before = this.look(number);
    if (before !== 'new') return before;
    if (number >= this.#end) {
      const from = Math.max(this.#end, number + 1 - this.#seen.length);
      for (let at = from; at <= number; at += 1) this.#seen[at % this.#seen.length] = 0;
      this.#end = number + 1;
    }
    this.#seen[number % this.#seen.length] = 1;
    return before;
  }
}
