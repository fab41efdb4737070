/** Many values in a few numbers. */

/** Not a number where there is no value, or none that is finite. */
export interface Distribution {
  count: number;
  mean: number;
  deviation: number;
  least: number;
  p50: number;
  p90: number;
  p99: number;
  most: number;
}

export function describeValues(values: readonly number[]): Distribution {
  const sorted = Float64Array.from(values).sort();
  const count = sorted.length;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / count;
  const variance = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
  const quantile = (share: number) => sorted[Math.min(count - 1, Math.floor(share * count))] ?? Number.NaN;
  return {
    count,
    mean,
    deviation: Math.sqrt(variance),
    least: quantile(0),
    p50: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
    most: quantile(1),
  };
}
