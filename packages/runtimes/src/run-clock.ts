/**
 * Counts the time that a program runs, and calls once its limit has passed. Pauses do not count.
 *
 *     idle -> running <-> paused -> stopped
 */
import { type LongTimerDependencies, PROCESS_TIMER, startLongTimer } from './long-timer.ts';

export class RunClock {
  readonly #limitMilliseconds: number;
  readonly #expired: () => void;
  readonly #timer: LongTimerDependencies;
  #beforeMilliseconds = 0;
  #sinceMilliseconds: number | null = null;
  #cancelTimer = () => {};
  #stopped = false;

  constructor(limitMilliseconds: number, expired: () => void, timer: LongTimerDependencies = PROCESS_TIMER) {
    this.#limitMilliseconds = limitMilliseconds;
    this.#expired = expired;
    this.#timer = timer;
  }

  get elapsedMilliseconds(): number {
    const since = this.#sinceMilliseconds;
    return this.#beforeMilliseconds + (since === null ? 0 : this.#timer.now() - since);
  }

  /** `alreadyMilliseconds` is what an adopted program has run before. */
  start(alreadyMilliseconds = 0): void {
    this.#beforeMilliseconds = Math.max(0, alreadyMilliseconds);
    this.resume();
  }

  pause(): void {
    this.#beforeMilliseconds = this.elapsedMilliseconds;
    this.#sinceMilliseconds = null;
    this.#cancelTimer();
  }

  resume(): void {
    if (this.#sinceMilliseconds !== null || this.#stopped) return;
    this.#sinceMilliseconds = this.#timer.now();
    const left = Math.max(0, this.#limitMilliseconds - this.#beforeMilliseconds);
    this.#cancelTimer = startLongTimer(left, this.#expired, this.#timer);
  }

  stop(): void {
    this.pause();
    this.#stopped = true;
  }
}
