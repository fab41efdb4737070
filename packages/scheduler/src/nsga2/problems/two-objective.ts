/**
 * Small problems with two objectives: BNH (Binh and Korn, 1997), SRN (Srinivas and Deb, 1994), TNK (Tanaka et al., 1995),
 * OSY (Osyczka and Kundu, 1995), Kursawe (1991). Each constraint is divided by its bound, so that none outweighs the
 * others in the sum.
 */
import type { RealProblem } from '../problem.ts';
import { box } from './bounds.ts';

export function bnh(): RealProblem {
  return {
    encoding: 'real',
    objectives: 2,
    ...box(2, (gene) => (gene === 0 ? [0, 5] : [0, 3])),
    evaluate(genes, at, objectives, to) {
      const x = genes[at] as number;
      const y = genes[at + 1] as number;
      objectives[to] = 4 * x * x + 4 * y * y;
      objectives[to + 1] = (x - 5) ** 2 + (y - 5) ** 2;
      return broken(((x - 5) ** 2 + y * y - 25) / 25) + broken((7.7 - (x - 8) ** 2 - (y + 3) ** 2) / 7.7);
    },
  };
}

export function srn(): RealProblem {
  return {
    encoding: 'real',
    objectives: 2,
    ...box(2, () => [-20, 20]),
    evaluate(genes, at, objectives, to) {
      const x = genes[at] as number;
      const y = genes[at + 1] as number;
      objectives[to] = 2 + (x - 2) ** 2 + (y - 1) ** 2;
      objectives[to + 1] = 9 * x - (y - 1) ** 2;
      return broken((x * x + y * y - 225) / 225) + broken((x - 3 * y + 10) / 10);
    },
  };
}

export function tnk(): RealProblem {
  return {
    encoding: 'real',
    objectives: 2,
    ...box(2, () => [0, Math.PI]),
    evaluate(genes, at, objectives, to) {
      const x = genes[at] as number;
      const y = genes[at + 1] as number;
      objectives[to] = x;
      objectives[to + 1] = y;
      const wave = 0.1 * Math.cos(16 * Math.atan2(x, y));
      return broken(1 + wave - x * x - y * y) + broken(2 * ((x - 0.5) ** 2 + (y - 0.5) ** 2) - 1);
    },
  };
}

export function osy(): RealProblem {
  return {
    encoding: 'real',
    objectives: 2,
    ...box(6, (gene) => (gene === 3 ? [0, 6] : gene === 2 || gene === 4 ? [1, 5] : [0, 10])),
    evaluate(genes, at, objectives, to) {
      const [a, b, c, d, e, f] = genes.subarray(at, at + 6) as unknown as [
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      objectives[to] = -(25 * (a - 2) ** 2 + (b - 2) ** 2 + (c - 1) ** 2 + (d - 4) ** 2 + (e - 1) ** 2);
      objectives[to + 1] = a * a + b * b + c * c + d * d + e * e + f * f;
      return (
        broken((2 - a - b) / 2) +
        broken((a + b - 6) / 6) +
        broken((b - a - 2) / 2) +
        broken((a - 3 * b - 2) / 2) +
        broken(((c - 3) ** 2 + d - 4) / 4) +
        broken((4 - (e - 3) ** 2 - f) / 4)
      );
    },
  };
}

export function kursawe(variables = 3): RealProblem {
  return {
    encoding: 'real',
    objectives: 2,
    ...box(variables, () => [-5, 5]),
    evaluate(genes, at, objectives, to) {
      let first = 0;
      let second = 0;
      for (let gene = 0; gene < variables; gene += 1) {
        const value = genes[at + gene] as number;
        second += Math.abs(value) ** 0.8 + 5 * Math.sin(value ** 3);
        if (gene === 0) continue;
        first -= 10 * Math.exp(-0.2 * Math.hypot(genes[at + gene - 1] as number, value));
      }
      objectives[to] = first;
      objectives[to + 1] = second;
      return 0;
    },
  };
}

/** A constraint is met when its value is not positive. */
function broken(value: number): number {
  return value > 0 ? value : 0;
}
