/** Medians and percentiles. */

/** Nearest-rank percentile (0 to 1) of an unsorted list; NaN of an empty one. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** Median of what succeeded; null when nothing did. */
export function medianOrNull(values: readonly (number | null)[]): number | null {
  const numbers = values.filter((value) => value !== null);
  return numbers.length === 0 ? null : median(numbers);
}

/** Three significant digits are what a benchmark can promise; whole numbers stay whole. */
export function rounded(value: number): number {
  if (!Number.isFinite(value) || Math.abs(value) >= 1000) return Math.round(value);
  return Number(value.toPrecision(3));
}

export function roundedOrNull(value: number | null): number | null {
  return value === null ? null : rounded(value);
}
