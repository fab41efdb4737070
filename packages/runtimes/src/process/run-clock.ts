/** The time that a program has run: begun once, held while it is paused, and rung when it is used up. */
const TIMER_MAXIMUM_MILLISECONDS = 2 ** 31 - 1;

export class RunClock {
  readonly #limitMilliseconds: number;
  readonly #ring: () => void;
  #before = 0;
  #since: number | null = null;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(limitMilliseconds: number, ring: () => void) {
    this.#limitMilliseconds = limitMilliseconds;
    this.#ring = ring;
  }

  get elapsedMilliseconds(): number {
    return this.#before + (this.#since === null ? 0 : performance.now() - this.#since);
  }

  start(): void {
    this.resume();
  }

  pause(): void {
    this.#before = this.elapsedMilliseconds;
    this.#since = null;
    clearTimeout(this.#timer);
  }

  resume(): void {
    if (this.#since !== null || this.#ended) return;
    this.#since = performance.now();
    const left = Math.max(0, this.#limitMilliseconds - this.#before);
    this.#timer = setTimeout(this.#ring, Math.min(left, TIMER_MAXIMUM_MILLISECONDS));
  }

  stop(): void {
    this.pause();
    this.#ended = true;
  }
}
