/**
 * When a wait is told to whoever waits for a job or a deployment: a task that no node can run at once, one that finds no
 * room after a while, and then only when there is another reason. Pure.
 */
import type { Explanation } from '@fog/contract';
import { CLI_LIMITS } from '../limits.ts';

export class WaitingNote {
  #waitingSince: number | null = null;
  #told: string | null = null;

  /** Takes why a task waits at this moment, null where nothing waits. Answers what is to be told, or null. */
  take(waiting: Explanation['waiting'], nowMilliseconds: number): string | null {
    if (waiting === null) {
      this.#waitingSince = null;
      return null;
    }
    this.#waitingSince ??= nowMilliseconds;
    const { reason, message } = waiting;
    const isCertain = reason === 'no-node' || reason === 'dependencies';
    if (!isCertain && nowMilliseconds - this.#waitingSince < CLI_LIMITS.quietWaitMilliseconds) return null;
    // The other messages have counts and times in them, which change all the time.
    const said = isCertain ? message : reason;
    if (said === this.#told) return null;
    this.#told = said;
    return message;
  }
}
