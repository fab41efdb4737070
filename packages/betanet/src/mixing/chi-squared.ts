/** Pearson's test of fit: whether counts are what a distribution gives. */

export interface Fit {
  /** What was counted, altogether. */
  count: number;
  /** The sum of (seen - expected)^2 / expected over the cells. */
  value: number;
  /** Cells less one. */
  freedom: number;
  /** How often a sound fit is as bad as this one. Below 0.001 something is wrong; below 0.05 is one run in twenty. */
  probability: number;
}

/** Cells of fewer expected are put together: the distribution of the sum is near enough only for such. */
const LEAST_EXPECTED = 10;
/** What a sound fit exceeds with a probability of e^-40 is not computed. */
const NEGLIGIBLE_EXPONENT = 40;

/** `seen` and `expected` are counts of the same cells, in order. A probability of 1 where there is only one cell. */
export function chiSquared(seen: readonly number[], expected: readonly number[]): Fit {
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
    if (expectedSum >= LEAST_EXPECTED && left >= LEAST_EXPECTED) close();
  });
  close();
  const freedom = cells - 1;
  const count = seen.reduce((sum, number) => sum + number, 0);
  return { count, value, freedom, probability: chiSquaredProbability(value, freedom) };
}

/**
 * P(X >= value) of the chi-squared distribution: 1 - P(a, x), the regularised incomplete gamma function of a = freedom / 2
 * and x = value / 2, by its series x^a e^-x / Γ(a+1) (1 + x/(a+1) + x^2/((a+1)(a+2)) + ...). Absolute error below 1e-10.
 */
export function chiSquaredProbability(value: number, freedom: number): number {
  if (freedom < 1 || value <= 0) return 1;
  // The bound of Laurent and Massart (2000): P(X >= k + 2 √(k t) + 2 t) <= e^-t.
  const most = freedom + 2 * Math.sqrt(NEGLIGIBLE_EXPONENT * freedom) + 2 * NEGLIGIBLE_EXPONENT;
  if (value > most) return 0;
  const a = freedom / 2;
  const x = value / 2;
  let term = Math.exp(a * Math.log(x) - x - logarithmOfGamma(a + 1));
  let below = 0;
  for (let index = 1; term > below * 1e-16 || index < x; index += 1) {
    below += term;
    term *= x / (a + index);
  }
  return Math.min(1, Math.max(0, 1 - below));
}

/** ln Γ of a whole number or one and a half: Γ(x + 1) = x Γ(x), from Γ(1) = 1 or Γ(1/2) = √π. */
function logarithmOfGamma(x: number): number {
  const isWhole = Number.isInteger(x);
  let sum = isWhole ? 0 : Math.log(Math.PI) / 2;
  for (let factor = isWhole ? 1 : 0.5; factor < x; factor += 1) sum += Math.log(factor);
  return sum;
}
