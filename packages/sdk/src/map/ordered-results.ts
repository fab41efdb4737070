/**
 * Results that arrive in any order and leave in the order of the items.
 *
 *     put(4) put(0) put(1) -> next() 0, 1, waits for 2
 *     end(total)           -> done after the last one
 *     fail(error)          -> every next() from now on rejects: what failed will not wait for what is slow
 */
export class OrderedResults {
  /** Results handed out. */
  handedOut = 0;
  readonly #arrived = new Map<number, unknown>();
  readonly #onHandOut: () => void;
  #total: number | null = null;
  #failure: { error: unknown } | null = null;
  #wake: (() => void) | null = null;

  constructor(onHandOut: () => void) {
    this.#onHandOut = onHandOut;
  }

  put(index: number, value: unknown): void {
    this.#arrived.set(index, value);
    this.#wake?.();
  }

  end(total: number): void {
    this.#total = total;
    this.#wake?.();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#arrived.clear();
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<unknown, undefined>> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure.error;
      const index = this.handedOut;
      if (this.#arrived.has(index)) {
        const value = this.#arrived.get(index);
        this.#arrived.delete(index);
        this.handedOut += 1;
        this.#onHandOut();
        return { done: false, value };
      }
      if (this.#total !== null && index >= this.#total) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }
}
