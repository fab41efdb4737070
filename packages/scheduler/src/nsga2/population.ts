/**
 * The memory of a run: rows of numbers, twice as many as individuals, so that offspring are written where nobody lives.
 *
 * `rows` says where each individual is: its first `population` entries are the population, the others are free. Survivors
 * keep their rows, so that nothing is copied when a generation ends. All arrays can lie in shared memory; threads then
 * make offspring at the same time, each in rows of its own.
 */
import { genesOf, type Problem } from './problem.ts';
import { stateOf } from './settings.ts';

export interface Population {
  /** A row each, twice the population. */
  genes: Float64Array | Int32Array;
  objectives: Float64Array;
  violations: Float64Array;
  state: Float64Array;
  rows: Int32Array;
  /** Front and crowding distance of each individual of the population, by its place in it. */
  ranks: Int32Array;
  distances: Float64Array;
  /** The order in which individuals meet as parents: two permutations of the population. */
  meetings: Int32Array;
}

/** `isShared`: over SharedArrayBuffers. */
export function createPopulation(problem: Problem, population: number, isShared: boolean): Population {
  const rows = 2 * population;
  const allocate = (bytes: number) => (isShared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes));
  const reals = (count: number) => new Float64Array(allocate(8 * count));
  const wholes = (count: number) => new Int32Array(allocate(4 * count));
  const genes = rows * genesOf(problem);
  return {
    genes: problem.encoding === 'real' ? reals(genes) : wholes(genes),
    objectives: reals(rows * problem.objectives),
    violations: reals(rows),
    state: reals(rows * stateOf(problem)),
    rows: counted(wholes(rows)),
    ranks: wholes(population),
    distances: reals(population),
    meetings: wholes(rows),
  };
}

/** In place: a copy would not lie in shared memory. */
function counted(rows: Int32Array): Int32Array {
  for (let row = 0; row < rows.length; row += 1) rows[row] = row;
  return rows;
}
