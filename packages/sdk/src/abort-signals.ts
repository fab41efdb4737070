/** Signals that end a wait. */

/** What the timers of JavaScript can count, some 24 days: a longer time takes several. */
const LONGEST_TIMER_MILLISECONDS = 2 ** 31 - 1;

export function abortAfter(milliseconds: number): AbortSignal {
  const controller = new AbortController();
  const until = performance.now() + milliseconds;
  const wait = (): void => {
    const left = until - performance.now();
    if (left <= 0) controller.abort();
    else setTimeout(wait, Math.min(left, LONGEST_TIMER_MILLISECONDS)).unref();
  };
  wait();
  return controller.signal;
}

/** Aborts with `signal`, or when the time has passed. */
export function abortedBy(options: {
  signal?: AbortSignal | undefined;
  timeoutMilliseconds?: number | undefined;
}): AbortSignal {
  return AbortSignal.any([
    ...(options.signal === undefined ? [] : [options.signal]),
    ...(options.timeoutMilliseconds === undefined ? [] : [abortAfter(options.timeoutMilliseconds)]),
  ]);
}

/** Options of a call. */
export function abortable(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
