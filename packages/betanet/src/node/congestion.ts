/**
 * Whose links are to wait while too many packets have to be unwrapped. No I/O: it counts, and says when that changes.
 *
 *     calm --above the first mark--> crowded: who brings something and has an equal part or more, waits
 *       ^                               '--above the second mark--> full: everybody waits
 *       '-------------------- at half of the first mark, or below ----'
 *
 * So one sender that brings more than can be unwrapped waits alone, and the others are read as before.
 */
export interface CongestionOptions {
  /** Packets that wait to be unwrapped. */
  crowdedAbove: number;
  fullAbove: number;
  /** Links of that sender, or of everybody, are not to be read. */
  hold(sender: number | 'all'): void;
  /** All are to be read again. */
  release(): void;
}

export class Congestion {
  readonly #options: CongestionOptions;
  /** Packets of each sender; senders are small numbers. */
  readonly #counts: number[] = [];
  readonly #held = new Set<number | 'all'>();
  #total = 0;
  /** Senders that have any. */
  #present = 0;

  constructor(options: CongestionOptions) {
    this.#options = options;
  }

  added(sender: number, packets: number): void {
    if (packets === 0) return;
    const before = this.#counts[sender] ?? 0;
    const own = before + packets;
    this.#counts[sender] = own;
    this.#total += packets;
    if (before === 0) this.#present += 1;
    const { crowdedAbove, fullAbove } = this.#options;
    if (this.#total > fullAbove) this.#hold('all');
    else if (this.#total > crowdedAbove && own * this.#present >= this.#total) this.#hold(sender);
  }

  /** One packet of that sender is unwrapped. */
  removed(sender: number): void {
    const left = (this.#counts[sender] ?? 1) - 1;
    this.#counts[sender] = left;
    this.#total -= 1;
    if (left === 0) this.#present -= 1;
  }

  /** To be called when a row of packets is unwrapped. */
  settle(): void {
    if (this.#held.size === 0 || this.#total > this.#options.crowdedAbove / 2) return;
    this.#held.clear();
    this.#options.release();
  }

  #hold(who: number | 'all'): void {
    if (this.#held.has('all') || this.#held.has(who)) return;
    this.#held.add(who);
    this.#options.hold(who);
  }
}
