/**
 * ZDT1 to 4 and 6, two objectives. Source: Zitzler, Deb and Thiele, "Comparison of multiobjective evolutionary algorithms:
 * empirical results", 2000. (ZDT5 is of bits.)
 */
import type { RealProblem } from '../problem.ts';
import { box, unitBox } from './bounds.ts';

/** Mean of the variables after the first. */
function restMean(genes: Float64Array, at: number, count: number): number {
  let sum = 0;
  for (let gene = 1; gene < count; gene += 1) sum += genes[at + gene] as number;
  return sum / (count - 1);
}

export function zdt1(variables = 30): RealProblem {
  return unitProblem(variables, (genes, at, objectives, to) => {
    const first = genes[at] as number;
    const g = 1 + 9 * restMean(genes, at, variables);
    objectives[to] = first;
    objectives[to + 1] = g * (1 - Math.sqrt(first / g));
    return 0;
  });
}

export function zdt2(variables = 30): RealProblem {
  return unitProblem(variables, (genes, at, objectives, to) => {
    const first = genes[at] as number;
    const g = 1 + 9 * restMean(genes, at, variables);
    objectives[to] = first;
    objectives[to + 1] = g * (1 - (first / g) ** 2);
    return 0;
  });
}

export function zdt3(variables = 30): RealProblem {
  return unitProblem(variables, (genes, at, objectives, to) => {
    const first = genes[at] as number;
    const g = 1 + 9 * restMean(genes, at, variables);
    objectives[to] = first;
    objectives[to + 1] = g * (1 - Math.sqrt(first / g) - (first / g) * Math.sin(10 * Math.PI * first));
    return 0;
  });
}

export function zdt4(variables = 10): RealProblem {
  return {
    encoding: 'real',
    objectives: 2,
    ...box(variables, (gene) => (gene === 0 ? [0, 1] : [-5, 5])),
    evaluate(genes, at, objectives, to) {
      const first = genes[at] as number;
      let g = 1 + 10 * (variables - 1);
      for (let gene = 1; gene < variables; gene += 1) {
        const value = genes[at + gene] as number;
        g += value * value - 10 * Math.cos(4 * Math.PI * value);
      }
      objectives[to] = first;
      objectives[to + 1] = g * (1 - Math.sqrt(first / g));
      return 0;
    },
  };
}

export function zdt6(variables = 10): RealProblem {
  return unitProblem(variables, (genes, at, objectives, to) => {
    const value = genes[at] as number;
    const first = 1 - Math.exp(-4 * value) * Math.sin(6 * Math.PI * value) ** 6;
    const g = 1 + 9 * restMean(genes, at, variables) ** 0.25;
    objectives[to] = first;
    objectives[to + 1] = g * (1 - (first / g) ** 2);
    return 0;
  });
}

function unitProblem(variables: number, evaluate: RealProblem['evaluate']): RealProblem {
  return { encoding: 'real', objectives: 2, ...unitBox(variables), evaluate };
}
