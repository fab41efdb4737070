/**
 * C1-, C2- and C3-DTLZ: problems of DTLZ with a constraint that makes the way to the front, the front or both of them
 * hard. Source: Jain and Deb, "An evolutionary many-objective optimization algorithm using reference-point based
 * nondominated sorting approach, part II", 2014.
 */
import type { RealProblem } from '../problem.ts';
import { dtlz1, dtlz2, dtlz3, dtlz4 } from './dtlz.ts';

/** How far the objectives from `to` on break the constraints. */
type Violation = (values: Float64Array, to: number, objectives: number) => number;

/** Only a strip along the front is allowed. */
export function c1dtlz1(objectives = 3, variables = objectives + 4): RealProblem {
  return constrained(dtlz1(objectives, variables), (values, to) => {
    let sum = (values[to + objectives - 1] as number) / 0.6 - 1;
    for (let at = 0; at < objectives - 1; at += 1) sum += (values[to + at] as number) / 0.5;
    return Math.max(0, sum);
  });
}

/** A shell on the way to the front is forbidden. */
export function c1dtlz3(objectives = 3, variables = objectives + 9): RealProblem {
  const radius = [0, 0, 6, 9, 9, 12.5, 12.5, 12.5, 12.5, 15, 15][objectives] ?? 15;
  return constrained(dtlz3(objectives, variables), (values, to) => {
    const square = squares(values, to, objectives);
    return Math.max(0, -(square - 16) * (square - radius * radius));
  });
}

/** Only some spots of the front are allowed: around its corners and its middle. */
export function c2dtlz2(objectives = 3, variables = objectives + 9): RealProblem {
  const radius = objectives === 2 ? 0.2 : objectives === 3 ? 0.4 : 0.5;
  return constrained(dtlz2(objectives, variables), (values, to) => {
    const square = squares(values, to, objectives);
    let nearest = 0;
    for (let at = 0; at < objectives; at += 1)
      nearest += ((values[to + at] as number) - 1 / Math.sqrt(objectives)) ** 2;
    for (let at = 0; at < objectives; at += 1) {
      const value = values[to + at] as number;
      nearest = Math.min(nearest, square - value * value + (value - 1) ** 2);
    }
    return Math.max(0, nearest - radius * radius);
  });
}

/** Planes cut the front off. */
export function c3dtlz1(objectives = 3, variables = objectives + 4): RealProblem {
  return constrained(dtlz1(objectives, variables), (values, to) => {
    let sum = 0;
    for (let at = 0; at < objectives; at += 1) sum += values[to + at] as number;
    let violation = 0;
    for (let at = 0; at < objectives; at += 1) violation += Math.max(0, 1 - sum - (values[to + at] as number));
    return violation;
  });
}

/** Ellipsoids cut the front off. */
export function c3dtlz4(objectives = 3, variables = objectives + 4): RealProblem {
  return constrained(dtlz4(objectives, variables), (values, to) => {
    const square = squares(values, to, objectives);
    let violation = 0;
    for (let at = 0; at < objectives; at += 1) {
      violation += Math.max(0, 1 - square + 0.75 * (values[to + at] as number) ** 2);
    }
    return violation;
  });
}

function squares(values: Float64Array, to: number, objectives: number): number {
  let sum = 0;
  for (let at = 0; at < objectives; at += 1) sum += (values[to + at] as number) ** 2;
  return sum;
}

function constrained(problem: RealProblem, violation: Violation): RealProblem {
  return {
    ...problem,
    evaluate(genes, at, values, to) {
      problem.evaluate(genes, at, values, to);
      return violation(values, to, problem.objectives);
    },
  };
}
