/**
 * Since when agents could be heard. Silence, and the time to show a result, count from there at the earliest: nobody can
 * answer a coordinator that is not there, whether it was stopped, crashed or replaced by a newer version.
 *
 *     started -> reconnectMilliseconds for the agents to come back -> listening
 *     another coordinator is seen to live, and is the older one   -> listening for as long as that one
 */
import { DISPATCH_LIMITS } from '../limits.ts';

/** A coordinator of the same database, as it tells of itself. */
export interface Beat {
  id: string;
  started_at: number;
  seen_at: number;
}

export class Listening {
  #since: number;
  #lastSeen: ReadonlyMap<string, number> = new Map();

  constructor(startedAt: number) {
    this.#since = startedAt + DISPATCH_LIMITS.reconnectMilliseconds;
  }

  /** Milliseconds since 1970; in the future while agents reconnect. */
  get since(): number {
    return this.#since;
  }

  /**
   * Takes in the other coordinators. One that has told of itself anew since the last look lives, and has heard agents
   * since before; a row that does not change may be that of the one which this coordinator replaces. Where the clock was
   * set back, nothing waits for it to catch up.
   */
  see(others: readonly Beat[], now: number): void {
    this.#since = Math.min(this.#since, now + DISPATCH_LIMITS.reconnectMilliseconds);
    for (const { id, started_at: startedAt, seen_at: seenAt } of others) {
      const before = this.#lastSeen.get(id);
      if (before === undefined || before === seenAt) continue;
      this.#since = Math.min(this.#since, startedAt + DISPATCH_LIMITS.reconnectMilliseconds);
    }
    this.#lastSeen = new Map(others.map((other) => [other.id, other.seen_at]));
  }
}
