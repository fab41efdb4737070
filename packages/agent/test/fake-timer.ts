/** A clock that stands until it is moved, with the timers of `LongTimerDependencies`. */
import { setImmediate as turn } from 'node:timers/promises';
import type { LongTimerDependencies } from '@fog/runtimes';

export class FakeTimer implements LongTimerDependencies {
  #now = 0;
  readonly #waits = new Set<{ due: number; over: () => void }>();

  readonly now = (): number => this.#now;

  readonly wait = (milliseconds: number, over: () => void): (() => void) => {
    const wait = { due: this.#now + milliseconds, over };
    this.#waits.add(wait);
    return () => this.#waits.delete(wait);
  };

  get waiting(): number {
    return this.#waits.size;
  }

  /** Moves the clock, and lets everything happen that is due on the way. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    for (;;) {
      await settle();
      const next = [...this.#waits].filter(({ due }) => due <= until).sort((left, right) => left.due - right.due)[0];
      if (next === undefined) break;
      this.#waits.delete(next);
      this.#now = Math.max(this.#now, next.due);
      next.over();
    }
    this.#now = until;
    await settle();
  }
}

/** Until promises that wait for nothing else have been kept. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 5; turns += 1) await turn();
}
