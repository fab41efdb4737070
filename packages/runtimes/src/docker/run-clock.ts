/**
 * Counts the time that a container runs, and calls when its limit has passed. Pauses do not count.
 *
 *     idle -> running <-> paused -> stopped
 */
const TIMER_MAXIMUM_MILLISECONDS = 2 ** 31 - 1;

export class RunClock {
  readonly #limitMilliseconds: number;
  readonly #expired: () => void;
  #elapsedMilliseconds = 0;
  #runningSinceMilliseconds: number | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMilliseconds: number, expired: () => void) {
    this.#limitMilliseconds = limitMilliseconds;
    this.#expired = expired;
  }

  /** `alreadyMilliseconds` is what an adopted container has run before. */
  start(alreadyMilliseconds = 0): void {
    this.#elapsedMilliseconds = Math.max(0, alreadyMilliseconds);
    this.resume();
  }

  pause(): void {
    this.#elapsedMilliseconds = this.elapsedMilliseconds();
    this.#runningSinceMilliseconds = null;
    clearTimeout(this.#timer);
  }

  resume(): void {
    if (this.#runningSinceMilliseconds !== null) return;
    this.#runningSinceMilliseconds = performance.now();
    const left = Math.max(0, this.#limitMilliseconds - this.#elapsedMilliseconds);
    if (left <= TIMER_MAXIMUM_MILLISECONDS) this.#timer = setTimeout(this.#expired, left);
  }

  stop(): void {
    this.pause();
  }

  elapsedMilliseconds(): number {
    const since = this.#runningSinceMilliseconds;
    return this.#elapsedMilliseconds + (since === null ? 0 : performance.now() - since);
  }
}
