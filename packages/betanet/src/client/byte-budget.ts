/** Room of which somebody takes some, if there is enough, and gives it back. */
export interface Budget {
  take(amount: number): boolean;
  give(amount: number): void;
}

/** Bytes that several holders share. Whoever took some gives them back. */
export class ByteBudget implements Budget {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  take(bytes: number): boolean {
    if (this.#used + bytes > this.limit) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
