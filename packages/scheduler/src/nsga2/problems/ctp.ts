/**
 * CTP1 to 8: constraints that break the front into pieces. Source: Deb, Pratap and Meyarivan, "Constrained test problems
 * for multi-objective evolutionary optimization", 2001.
 */
import { FogError } from '@fog/contract';
import type { RealProblem } from '../problem.ts';
import { box } from './bounds.ts';

interface Waves {
  /** Slope of the constraint, in parts of pi. */
  theta: number;
  a: number;
  b: number;
  c: number;
  d: number;
  e: number;
}

const SECOND = { theta: -0.2, a: 0.2, b: 10, c: 1, d: 6, e: 1 };
const SIXTH = { theta: 0.1, a: 40, b: 0.5, c: 1, d: 2, e: -2 };
/** Numbers of the problem -> the waves that bound it, and how far its second variable reaches. */
const PROBLEMS: Readonly<Record<number, { waves: readonly Waves[]; reach: number }>> = {
  2: { waves: [SECOND], reach: 1 },
  3: { waves: [{ ...SECOND, a: 0.1, d: 0.5 }], reach: 1 },
  4: { waves: [{ ...SECOND, a: 0.75, d: 0.5 }], reach: 1 },
  5: { waves: [{ ...SECOND, a: 0.1, c: 2, d: 0.5 }], reach: 1 },
  6: { waves: [SIXTH], reach: 20 },
  7: { waves: [{ theta: -0.05, a: 40, b: 5, c: 1, d: 6, e: 0 }], reach: 1 },
  8: { waves: [SIXTH, { theta: -0.05, a: 40, b: 2, c: 1, d: 6, e: 0 }], reach: 20 },
};

/** CTP1, bounded by so many exponential curves. */
export function ctp1(variables = 2, curves = 2): RealProblem {
  const heights = [1];
  const rates = [1];
  for (let curve = 0; curve < curves; curve += 1) {
    const place = (curve + 1) / (curves + 1);
    const value = (heights[curve] as number) * Math.exp(-(rates[curve] as number) * place);
    const height = ((heights[curve] as number) + value) / 2;
    heights.push(height);
    rates.push(-Math.log(value / height) / place);
  }
  return {
    encoding: 'real',
    objectives: 2,
    ...box(variables, () => [0, 1]),
    evaluate(genes, at, objectives, to) {
      const first = genes[at] as number;
      const g = distance(genes, at, variables);
      const second = g * Math.exp(-first / g);
      objectives[to] = first;
      objectives[to + 1] = second;
      let violation = 0;
      for (let curve = 1; curve <= curves; curve += 1) {
        violation += Math.max(0, (heights[curve] as number) * Math.exp(-(rates[curve] as number) * first) - second);
      }
      return violation;
    },
  };
}

/** CTP2 to CTP8. */
export function ctp(number: number, variables = 2): RealProblem {
  const problem = PROBLEMS[number];
  if (problem === undefined) {
    throw new FogError('invalid-request', `there is no problem CTP${number}`, {
      hint: 'CTP2 to CTP8 are; ctp1 is apart',
    });
  }
  const { waves, reach } = problem;
  return {
    encoding: 'real',
    objectives: 2,
    ...box(variables, (gene) => [0, gene === 0 ? 1 : reach]),
    evaluate(genes, at, objectives, to) {
      const first = genes[at] as number;
      const g = distance(genes, at, variables);
      const second = g * (1 - Math.sqrt(first / g));
      objectives[to] = first;
      objectives[to + 1] = second;
      let violation = 0;
      for (const wave of waves) violation += violationOf(wave, first, second);
      return violation;
    },
  };
}

function distance(genes: Float64Array, at: number, variables: number): number {
  let sum = 1;
  for (let gene = 1; gene < variables; gene += 1) sum += genes[at + gene] as number;
  return sum;
}

function violationOf({ theta, a, b, c, d, e }: Waves, first: number, second: number): number {
  const cosine = Math.cos(theta * Math.PI);
  const sine = Math.sin(theta * Math.PI);
  const across = cosine * (second - e) - sine * first;
  const along = sine * (second - e) + cosine * first;
  return Math.max(0, a * Math.abs(Math.sin(b * Math.PI * along ** c)) ** d - across);
}
