/**
 * How many items the next batch takes.
 *
 * A batch is a job, and a job costs: submit, lease, start of the engine, upload of the result, some tens of
 * milliseconds in which a slot does nothing for us. Few large batches make that cost small but end badly: the slot
 * that draws the last one works alone while the others stand idle. So:
 *
 * - The first batches have one item each: nothing is known yet, and every slot has something to do at once.
 * - Then a batch aims at `batchMilliseconds` of work by the time that finished batches took on their node, the
 *   younger ones counting more. That time includes the start of the engine, so small batches look dearer an item than
 *   they are and the estimate falls as batches grow; a batch never exceeds `batchGrowth` times the largest one seen.
 * - When the number of items left is known, a batch takes at most 1/(2 x slots) of them (guided self-scheduling,
 *   Polychronopoulos and Kuck 1987): batches shrink towards the end, and what one slot may be late by shrinks with
 *   them. It stops shrinking at `shortestBatchMilliseconds`, where a batch would cost more than it balances; what is
 *   left then is shared out equally, among as many slots as get at least half of that time.
 *
 * For 200 items of 50 ms over two slots that cost 40 ms a batch this makes 20 batches: 5.0 s of work a slot and 0.4 s
 * of cost, both slots end together, a speedup of 1.84; `batch-size.test.ts` simulates it, also with uneven items.
 */
import { SDK_LIMITS } from '../limits.ts';

export interface BatchSizeLimits {
  batchMilliseconds: number;
  shortestBatchMilliseconds: number;
  batchGrowth: number;
  batchItems: number;
}

export interface BatchQuestion {
  /** Tasks that the fog can run for us at the same time. */
  slots: number;
  /** Items that no batch has taken yet; null while the source has not ended. */
  itemsLeft: number | null;
}

/** Share of an older measurement that is left when a new one arrives. */
const MEMORY = 0.5;

export class BatchSizer {
  readonly #limits: BatchSizeLimits;
  #weightedMilliseconds = 0;
  #weightedItems = 0;
  #largestMeasured = 0;

  constructor(limits: BatchSizeLimits = SDK_LIMITS) {
    this.#limits = limits;
  }

  get hasMeasured(): boolean {
    return this.#largestMeasured > 0;
  }

  /** A batch of `items` ran for `milliseconds` on its node. */
  measured(items: number, milliseconds: number): void {
    this.#weightedMilliseconds = this.#weightedMilliseconds * MEMORY + milliseconds;
    this.#weightedItems = this.#weightedItems * MEMORY + items;
    this.#largestMeasured = Math.max(this.#largestMeasured, items);
  }

  /** At least 1. */
  next({ slots, itemsLeft }: BatchQuestion): number {
    if (!this.hasMeasured) return 1;
    const { batchMilliseconds, shortestBatchMilliseconds, batchGrowth, batchItems } = this.#limits;
    const itemMilliseconds = Math.max(this.#weightedMilliseconds / this.#weightedItems, 1e-6);
    let size = Math.min(batchMilliseconds / itemMilliseconds, this.#largestMeasured * batchGrowth, batchItems);
    if (itemsLeft !== null) {
      const shortest = Math.ceil(shortestBatchMilliseconds / itemMilliseconds);
      const guided = Math.ceil(itemsLeft / (2 * slots));
      const worthwhile = Math.floor((2 * itemsLeft * itemMilliseconds) / shortestBatchMilliseconds);
      const shares = Math.min(slots, Math.max(1, worthwhile));
      size = Math.min(size, Math.max(guided, shortest), Math.ceil(itemsLeft / shares));
    }
    return Math.max(1, Math.floor(size));
  }
}
