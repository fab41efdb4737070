/**
 * The items of a map, read ahead of the batches that take them.
 *
 * A list is known at once. Any other source is read in the background, at most `itemsAhead` items ahead of the
 * results that were handed out, so that an endless source does not fill the memory.
 */
import { FogError } from '@fog/contract';

export type MapInput<Item> = readonly Item[] | Iterable<Item> | AsyncIterable<Item>;

export interface ItemSourceDependencies {
  /** Something changed: items arrived, the source ended or failed. */
  wake(): void;
  /** How many more items may be read now; asked again after each `resume`. */
  room(): number;
}

export class ItemSource {
  /** Set when the source threw; the map fails with it. */
  failure: unknown = null;
  /** No item will follow those that wait. */
  ended = false;
  readonly #dependencies: ItemSourceDependencies;
  #waiting: unknown[];
  #taken = 0;
  #iterator: Iterator<unknown> | AsyncIterator<unknown> | null = null;
  #resume: (() => void) | null = null;

  constructor(items: MapInput<unknown>, dependencies: ItemSourceDependencies) {
    this.#dependencies = dependencies;
    if (Array.isArray(items)) {
      this.#waiting = items.slice();
      this.ended = true;
      return;
    }
    this.#waiting = [];
    const source = items as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined;
    this.#iterator = source?.[Symbol.asyncIterator]?.() ?? source?.[Symbol.iterator]?.() ?? null;
    if (this.#iterator === null) {
      throw new FogError('invalid-request', 'items must be an array, an iterable or an async iterable');
    }
    void this.#read(this.#iterator);
  }

  /** Items that wait for a batch. */
  get waiting(): number {
    return this.#waiting.length - this.#taken;
  }

  /** The next item. The caller has seen that one waits. */
  take(): unknown {
    const item = this.#waiting[this.#taken];
    this.#waiting[this.#taken] = undefined;
    this.#taken += 1;
    if (this.#taken > 1024 && this.#taken * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#taken);
      this.#taken = 0;
    }
    return item;
  }

  /** Tells that there is room again. */
  resume(): void {
    this.#resume?.();
  }

  /** Ends the reading; the source is told. */
  close(): void {
    const iterator = this.#iterator;
    const wasEnded = this.ended;
    this.ended = true;
    this.#resume?.();
    if (iterator !== null && !wasEnded) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }

  async #read(iterator: Iterator<unknown> | AsyncIterator<unknown>): Promise<void> {
    await null; // the owner is still being built: it is not asked for room before that
    try {
      while (!this.ended) {
        if (this.#dependencies.room() <= 0) {
          await new Promise<void>((resolve) => {
            this.#resume = resolve;
          });
          this.#resume = null;
          continue;
        }
        const next = await iterator.next();
        if (next.done === true) break;
        this.#waiting.push(next.value);
        this.#dependencies.wake();
      }
    } catch (error) {
      this.failure = error;
    }
    this.ended = true;
    this.#dependencies.wake();
  }
}
