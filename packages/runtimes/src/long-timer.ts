/**
 * A timer for any duration. `setTimeout` counts in a signed 32-bit number of milliseconds, 24.8 days; what is longer
 * fires at once. So a long wait is made of several.
 *
 *     waiting -> [a step is over: due? else the next step] -> fired
 *         \____ cancel() ____/
 */

/** The longest step that `setTimeout` takes. */
const STEP_MILLISECONDS = 2 ** 31 - 1;

export interface LongTimerDependencies {
  /** Monotonic, in milliseconds. */
  now(): number;
  /** As `setTimeout`; returns what ends the wait. */
  wait(milliseconds: number, over: () => void): () => void;
}

export const PROCESS_TIMER: LongTimerDependencies = {
  now: () => performance.now(),
  wait: (milliseconds, over) => {
    const timer = setTimeout(over, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** Calls `due` once, `milliseconds` (finite or Infinity) from now. Returns a function that cancels it. */
export function startLongTimer(
  milliseconds: number,
  due: () => void,
  { now, wait }: LongTimerDependencies = PROCESS_TIMER,
): () => void {
  const dueMilliseconds = now() + milliseconds;
  let endWait = () => {};
  const step = (left: number): void => {
    endWait = wait(Math.min(left, STEP_MILLISECONDS), () => {
      // A wait that is the last one is not measured again: clocks and timers may disagree by a fraction.
      if (left <= STEP_MILLISECONDS) due();
      else step(Math.max(0, dueMilliseconds - now()));
    });
  };
  step(Math.max(0, milliseconds));
  return () => endWait();
}
