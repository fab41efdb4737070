/**
 * Whether the program of one attempt stands still: because its job was suspended, or for the moment of a copy.
 *
 *     running <-> suspended       as ordered; the latest order counts
 *        \___________\____ held for as long as a copy takes
 *
 * Changes are made one after another, as engines want it. What cannot be paused runs on, which is said once an order.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningAttempt } from '@fog/runtimes';
import { AGENT_LIMITS } from './limits.ts';

export interface SuspensionDependencies {
  /** The program; null before it has begun and after its end. */
  running(): Pick<RunningAttempt, 'pause' | 'resume'> | null;
  suspended(): void;
  resumed(): void;
  /** The program was to stand still and runs on. */
  runsOn(): void;
  /** The program was to go on and stands still for good. */
  stuck(): void;
}

export class Suspension {
  readonly #dependencies: SuspensionDependencies;
  #isOrdered = false;
  #isSuspended = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(dependencies: SuspensionDependencies) {
    this.#dependencies = dependencies;
  }

  get isOrdered(): boolean {
    return this.#isOrdered;
  }

  get isSuspended(): boolean {
    return this.#isSuspended;
  }

  suspend(): void {
    this.#isOrdered = true;
    this.follow();
  }

  /** Also where nothing is known of a suspension: an earlier agent may have paused what this one has taken over. */
  resume(): void {
    this.#isOrdered = false;
    void this.#enqueue(() => this.#goOn());
  }

  /** Does what is ordered; to be called when the program begins. */
  follow(): void {
    if (this.#isOrdered) void this.#enqueue(() => this.#standStill());
  }

  /** Runs `copy` while the program stands still, if that is possible. */
  hold<Result>(copy: (isPaused: boolean) => Promise<Result>): Promise<Result> {
    return this.#enqueue(async () => {
      const running = this.#dependencies.running();
      const wakes = running !== null && !this.#isSuspended && (await pause(running));
      try {
        return await copy(wakes || this.#isSuspended || running === null);
      } finally {
        if (wakes && !(await this.#wake(running))) this.#dependencies.stuck();
      }
    });
  }

  async #standStill(): Promise<void> {
    const running = this.#dependencies.running();
    if (!this.#isOrdered || this.#isSuspended || running === null) return;
    if (await this.#pause(running)) {
      this.#isSuspended = true;
      this.#dependencies.suspended();
    } else if (this.#dependencies.running() !== null) this.#dependencies.runsOn();
  }

  async #goOn(): Promise<void> {
    const running = this.#dependencies.running();
    if (this.#isOrdered || running === null || running.resume === undefined) return;
    if (await this.#wake(running)) {
      this.#isSuspended = false;
      this.#dependencies.resumed();
    } else this.#dependencies.stuck();
  }

  /** What ends at this moment cannot be paused, and is no more in the next. */
  async #pause(running: Pick<RunningAttempt, 'pause'>): Promise<boolean> {
    for (let tries = 1; tries <= AGENT_LIMITS.pauseTries && running.pause !== undefined; tries += 1) {
      if (await pause(running)) return true;
      await sleep(AGENT_LIMITS.resumePauseMilliseconds);
      if (this.#dependencies.running() === null || !this.#isOrdered) return false;
    }
    return false;
  }

  /** Answers true for a program that goes on, or has ended. */
  async #wake(running: Pick<RunningAttempt, 'resume'>): Promise<boolean> {
    for (let tries = 1; tries <= AGENT_LIMITS.resumeTries; tries += 1) {
      const isAwake = await running.resume?.();
      if (isAwake || this.#dependencies.running() === null) return true;
      await sleep(AGENT_LIMITS.resumePauseMilliseconds);
    }
    return false;
  }

  #enqueue<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}

async function pause(running: Pick<RunningAttempt, 'pause'>): Promise<boolean> {
  return (await running.pause?.()) ?? false;
}
