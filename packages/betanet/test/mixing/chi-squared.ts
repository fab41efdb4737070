/** Pearson's test of fit, for tests with fixed seeds. */

/** The sum of (seen - expected)^2 / expected over cells of at least ten expected; rarer ones are put together. */
export function chiSquared(seen: readonly number[], expected: readonly number[]): { value: number; freedom: number } {
  let value = 0;
  let cells = 0;
  let seenSum = 0;
  let expectedSum = 0;
  const close = (): void => {
    value += (seenSum - expectedSum) ** 2 / expectedSum;
    cells += 1;
    seenSum = 0;
    expectedSum = 0;
  };
  let left = expected.reduce((sum, count) => sum + count, 0);
  expected.forEach((count, index) => {
    seenSum += seen[index] ?? 0;
    expectedSum += count;
    left -= count;
    if (expectedSum >= 10 && left >= 10) close();
  });
  close();
  return { value, freedom: cells - 1 };
}

/** What a sound fit exceeds once in a thousand times; the approximation of Wilson and Hilferty. */
export function chiSquaredLimit(freedom: number): number {
  const spread = 2 / (9 * freedom);
  return freedom * (1 - spread + 3.09 * Math.sqrt(spread)) ** 3;
}
