/** Bounds of variables. */
import type { RealBounds } from '../real-operators.ts';

export function unitBox(variables: number): RealBounds {
  return box(variables, () => [0, 1]);
}

export function box(variables: number, boundsOf: (gene: number) => readonly [number, number]): RealBounds {
  return {
    lower: Float64Array.from({ length: variables }, (_, gene) => boundsOf(gene)[0]),
    upper: Float64Array.from({ length: variables }, (_, gene) => boundsOf(gene)[1]),
  };
}
