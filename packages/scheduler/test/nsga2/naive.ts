/** The same by the definition, slowly. */

export function naiveRanks(points: readonly (readonly number[])[]): number[] {
  const ranks: number[] = points.map(() => -1);
  for (let rank = 0; ranks.includes(-1); rank += 1) {
    const left = [...points.keys()].filter((at) => ranks[at] === -1);
    const front = left.filter((at) => !left.some((other) => isBetter(points[other] ?? [], points[at] ?? [])));
    for (const at of front) ranks[at] = rank;
  }
  return ranks;
}

function isBetter(left: readonly number[], right: readonly number[]): boolean {
  return left.every((value, at) => value <= (right[at] ?? 0)) && left.some((value, at) => value < (right[at] ?? 0));
}

/** Of points with whole numbers: how many unit cubes below the reference they dominate. */
export function naiveHypervolume(points: readonly (readonly number[])[], reference: readonly number[]): number {
  let cubes = 0;
  const walk = (corner: number[]): void => {
    if (corner.length < reference.length) {
      for (let value = 0; value < (reference[corner.length] ?? 0); value += 1) walk([...corner, value]);
    } else if (points.some((point) => point.every((value, at) => value <= (corner[at] ?? 0)))) {
      cubes += 1;
    }
  };
  walk([]);
  return cubes;
}
