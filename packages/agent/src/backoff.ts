/**
 * Pause before try number `failures` (1 is the first repeat): uniformly random between zero and an exponentially
 * growing bound, so that clients cut off together do not return together.
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 (full jitter).
 */
export function fullJitterMilliseconds(
  failures: number,
  firstMilliseconds: number,
  mostMilliseconds: number,
  random: () => number,
): number {
  const bound = Math.min(mostMilliseconds, firstMilliseconds * 2 ** Math.min(30, Math.max(0, failures - 1)));
  return Math.round(random() * bound);
}
