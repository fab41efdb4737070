/**
 * Room that strangers share, so that nobody can take it from the others: when it is full, whoever holds most makes way,
 * as long as that is more than the one who asks would hold. A stranger with many pseudonyms fills it, and yet each
 * honest sender finds room up to what a stranger's largest share has.
 */
import type { Budget } from './byte-budget.ts';

export interface PoolShare extends Budget {
  readonly used: number;
}

export class SharedPool {
  readonly limit: number;
  readonly #step: number;
  /** Shares by their size in steps. */
  readonly #bySize = new Map<number, Set<Share>>();
  /** No share is of a larger size. */
  #largestSize = 0;
  #used = 0;

  /** `step`: how exactly sizes of shares are compared. */
  constructor(limit: number, step = 1) {
    this.limit = limit;
    this.#step = step;
  }

  get used(): number {
    return this.#used;
  }

  /** `evict`: gives some of the share back; called when others need it. */
  share(evict: () => void): PoolShare {
    const share = new Share(
      (amount) => this.#take(share, amount),
      (amount) => this.#change(share, -amount),
      evict,
    );
    return share;
  }

  #take(share: Share, amount: number): boolean {
    const wanted = this.#sizeOf(share.used + amount);
    while (this.#used + amount > this.limit) {
      const largest = this.#largest();
      if (largest === null || largest === share || this.#sizeOf(largest.used) <= wanted) return false;
      const before = largest.used;
      largest.evict();
      if (largest.used >= before) return false;
    }
    this.#change(share, amount);
    return true;
  }

  #change(share: Share, amount: number): void {
    const before = this.#sizeOf(share.used);
    share.used += amount;
    this.#used += amount;
    const size = this.#sizeOf(share.used);
    if (size === before) return;
    const left = this.#bySize.get(before);
    left?.delete(share);
    if (left?.size === 0) this.#bySize.delete(before);
    if (size === 0) return;
    this.#bySize.set(size, (this.#bySize.get(size) ?? new Set()).add(share));
    this.#largestSize = Math.max(this.#largestSize, size);
  }

  #largest(): Share | null {
    while (this.#largestSize > 0 && !this.#bySize.has(this.#largestSize)) this.#largestSize -= 1;
    const [share] = this.#bySize.get(this.#largestSize) ?? [];
    return share ?? null;
  }

  #sizeOf(used: number): number {
    return Math.ceil(used / this.#step);
  }
}

class Share implements PoolShare {
  used = 0;
  readonly take: (amount: number) => boolean;
  readonly give: (amount: number) => void;
  readonly evict: () => void;

  constructor(take: (amount: number) => boolean, give: (amount: number) => void, evict: () => void) {
    this.take = take;
    this.give = give;
    this.evict = evict;
  }
}
