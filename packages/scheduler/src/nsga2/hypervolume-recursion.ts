/** Volumes of unions of boxes that share a corner: what `hypervolume.ts` measures, once the reference is that corner. */

/** How far a box reaches in each dimension; all positive. */
export type Cell = Float64Array;

/** The volume that the boxes cover together, in their first `dimensions` dimensions. */
export function volumeOf(cells: readonly Cell[], dimensions: number): number {
  if (cells.length === 0) return 0;
  if (cells.length === 1) return boxOf(cells[0] as Cell, dimensions);
  if (dimensions === 1) return cells.reduce((most, cell) => Math.max(most, cell[0] as number), 0);
  if (dimensions === 2) return areaOf(cells);
  if (dimensions === 3) return volumeOfThree(cells);
  return volumeBySlices(cells, dimensions);
}

/** The volume that `cell` covers and none of `others` does. */
export function exclusiveVolume(cell: Cell, others: readonly Cell[], dimensions: number): number {
  const common = others.map((other) => commonBox(cell, other, dimensions));
  return boxOf(cell, dimensions) - volumeOf(largestOnly(common, dimensions), dimensions);
}

/** Slices along the last dimension: each box adds what those that reach further do not cover below it. */
function volumeBySlices(cells: readonly Cell[], dimensions: number): number {
  const last = dimensions - 1;
  const sorted = cells.toSorted((left, right) => (right[last] as number) - (left[last] as number));
  let sum = 0;
  sorted.forEach((cell, at) => {
    sum += (cell[last] as number) * exclusiveVolume(cell, sorted.slice(0, at), last);
  });
  return sum;
}

function boxOf(cell: Cell, dimensions: number): number {
  let volume = 1;
  for (let at = 0; at < dimensions; at += 1) volume *= cell[at] as number;
  return volume;
}

function commonBox(left: Cell, right: Cell, dimensions: number): Cell {
  const common = new Float64Array(dimensions);
  for (let at = 0; at < dimensions; at += 1) common[at] = Math.min(left[at] as number, right[at] as number);
  return common;
}

/** The boxes that lie in none of the others; of equal ones the first. */
function largestOnly(cells: readonly Cell[], dimensions: number): Cell[] {
  const kept: Cell[] = [];
  const sorted = cells.toSorted((left, right) => boxOf(right, dimensions) - boxOf(left, dimensions));
  for (const cell of sorted) if (!kept.some((other) => holds(other, cell, dimensions))) kept.push(cell);
  return kept;
}

function holds(outer: Cell, inner: Cell, dimensions: number): boolean {
  for (let at = 0; at < dimensions; at += 1) if ((outer[at] as number) < (inner[at] as number)) return false;
  return true;
}

function areaOf(cells: readonly Cell[]): number {
  const sorted = cells.toSorted((left, right) => (right[0] as number) - (left[0] as number));
  let height = 0;
  let area = 0;
  for (const cell of sorted) {
    const taller = (cell[1] as number) - height;
    if (taller <= 0) continue;
    area += (cell[0] as number) * taller;
    height += taller;
  }
  return area;
}

/**
 * From the box that reaches furthest in the third dimension to the least. The boxes so far cover a staircase of the other
 * two dimensions, kept in arrays: as the width grows, the height falls.
 */
function volumeOfThree(cells: readonly Cell[]): number {
  const sorted = cells.toSorted((left, right) => (right[2] as number) - (left[2] as number));
  const widths = new Float64Array(cells.length);
  const heights = new Float64Array(cells.length);
  let steps = 0;
  let area = 0;
  let volume = 0;
  sorted.forEach((cell, at) => {
    const width = cell[0] as number;
    const height = cell[1] as number;
    // The first step that is at least as wide.
    let low = 0;
    let high = steps;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((widths[middle] as number) < width) low = middle + 1;
      else high = middle;
    }
    const isCovered = low < steps && (heights[low] as number) >= height;
    if (!isCovered) {
      // Where the staircase has this very width, its step is lower and goes.
      const after = low < steps && widths[low] === width ? low + 1 : low;
      let first = low;
      while (first > 0 && (heights[first - 1] as number) <= height) first -= 1;
      let left = first === 0 ? 0 : (widths[first - 1] as number);
      for (let step = first; step < after || (step === after && left < width); step += 1) {
        const right = step < steps ? Math.min(widths[step] as number, width) : width;
        const under = step < steps ? (heights[step] as number) : 0;
        area += (right - left) * (height - under);
        left = right;
      }
      const gone = after - first;
      if (gone !== 1) {
        widths.copyWithin(first + 1, after, steps);
        heights.copyWithin(first + 1, after, steps);
        steps += 1 - gone;
      }
      widths[first] = width;
      heights[first] = height;
    }
    const next = sorted[at + 1]?.[2] ?? 0;
    volume += area * ((cell[2] as number) - next);
  });
  return volume;
}
