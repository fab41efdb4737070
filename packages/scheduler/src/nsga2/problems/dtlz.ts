/**
 * DTLZ1 to 7, any number of objectives. Source: Deb, Thiele, Laumanns and Zitzler, "Scalable test problems for
 * evolutionary multiobjective optimization", 2005.
 *
 * The first M - 1 variables say where on the front a point is, the others how far from it: their distance is 0 at best.
 */
import type { RealProblem } from '../problem.ts';
import { unitBox } from './bounds.ts';

type Distance = (genes: Float64Array, from: number, to: number) => number;

/** Each variable's distance from one half. */
const toHalf: Distance = (genes, from, to) => {
  let sum = 0;
  for (let at = from; at < to; at += 1) sum += ((genes[at] as number) - 0.5) ** 2;
  return sum;
};

/** The same with many local optima. */
const toHalfWithWaves: Distance = (genes, from, to) => {
  let sum = to - from;
  for (let at = from; at < to; at += 1) {
    const offset = (genes[at] as number) - 0.5;
    sum += offset * offset - Math.cos(20 * Math.PI * offset);
  }
  return 100 * sum;
};

const steep: Distance = (genes, from, to) => {
  let sum = 0;
  for (let at = from; at < to; at += 1) sum += (genes[at] as number) ** 0.1;
  return sum;
};

export function dtlz1(objectives = 3, variables = objectives + 4): RealProblem {
  return unitProblem(objectives, variables, (genes, at, values, to) => {
    const distance = toHalfWithWaves(genes, at + objectives - 1, at + variables);
    let product = 0.5 * (1 + distance);
    for (let objective = objectives - 1; objective > 0; objective -= 1) {
      const position = genes[at + objectives - 1 - objective] as number;
      values[to + objective] = product * (1 - position);
      product *= position;
    }
    values[to] = product;
    return 0;
  });
}

export function dtlz2(objectives = 3, variables = objectives + 9): RealProblem {
  return spherical(objectives, variables, toHalf, 1);
}

export function dtlz3(objectives = 3, variables = objectives + 9): RealProblem {
  return spherical(objectives, variables, toHalfWithWaves, 1);
}

export function dtlz4(objectives = 3, variables = objectives + 9): RealProblem {
  return spherical(objectives, variables, toHalf, 100);
}

export function dtlz5(objectives = 3, variables = objectives + 9): RealProblem {
  return curved(objectives, variables, toHalf);
}

export function dtlz6(objectives = 3, variables = objectives + 9): RealProblem {
  return curved(objectives, variables, steep);
}

export function dtlz7(objectives = 3, variables = objectives + 19): RealProblem {
  return unitProblem(objectives, variables, (genes, at, values, to) => {
    const first = objectives - 1;
    let sum = 0;
    for (let gene = first; gene < variables; gene += 1) sum += genes[at + gene] as number;
    const g = 1 + (9 * sum) / (variables - first);
    let height = objectives;
    for (let objective = 0; objective < first; objective += 1) {
      const value = genes[at + objective] as number;
      values[to + objective] = value;
      height -= (value / (1 + g)) * (1 + Math.sin(3 * Math.PI * value));
    }
    values[to + first] = (1 + g) * height;
    return 0;
  });
}

/** A part of a sphere; with a large `bias` most points are at its edges. */
function spherical(objectives: number, variables: number, distance: Distance, bias: number): RealProblem {
  return unitProblem(objectives, variables, (genes, at, values, to) => {
    let product = 1 + distance(genes, at + objectives - 1, at + variables);
    for (let objective = objectives - 1; objective > 0; objective -= 1) {
      const position = genes[at + objectives - 1 - objective] as number;
      const angle = ((bias === 1 ? position : position ** bias) * Math.PI) / 2;
      values[to + objective] = product * Math.sin(angle);
      product *= Math.cos(angle);
    }
    values[to] = product;
    return 0;
  });
}

/** A curve: away from it, all angles but the first are free; on it they are one eighth of a circle. */
function curved(objectives: number, variables: number, distance: Distance): RealProblem {
  return unitProblem(objectives, variables, (genes, at, values, to) => {
    const far = distance(genes, at + objectives - 1, at + variables);
    let product = 1 + far;
    for (let objective = objectives - 1; objective > 0; objective -= 1) {
      const gene = objectives - 1 - objective;
      const position = genes[at + gene] as number;
      const share = gene === 0 ? position : (1 + 2 * far * position) / (2 * (1 + far));
      const angle = (share * Math.PI) / 2;
      values[to + objective] = product * Math.sin(angle);
      product *= Math.cos(angle);
    }
    values[to] = product;
    return 0;
  });
}

function unitProblem(objectives: number, variables: number, evaluate: RealProblem['evaluate']): RealProblem {
  return { encoding: 'real', objectives, ...unitBox(variables), evaluate };
}
