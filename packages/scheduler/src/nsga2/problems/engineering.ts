/**
 * Two problems of design. Sources: welded beam, Deb, 2001, after Ragsdell and Phillips, 1976; car side impact, Jain and
 * Deb, 2014, after Gu et al., 2001. Each constraint is divided by its bound.
 */
import type { RealProblem } from '../problem.ts';
import { box } from './bounds.ts';

const LOAD = 6000;
const OVERHANG = 14;
const MOST_SHEAR = 13_600;
const MOST_STRESS = 30_000;

/** Cost and deflection of a beam that is welded on: height and length of the weld, height and width of the beam. */
export function weldedBeam(): RealProblem {
  return {
    encoding: 'real',
    objectives: 2,
    ...box(4, (gene) => (gene === 1 || gene === 2 ? [0.1, 10] : [0.125, 5])),
    evaluate(genes, at, objectives, to) {
      const weld = genes[at] as number;
      const length = genes[at + 1] as number;
      const height = genes[at + 2] as number;
      const width = genes[at + 3] as number;
      objectives[to] = 1.10471 * weld * weld * length + 0.04811 * height * width * (OVERHANG + length);
      objectives[to + 1] = 2.1952 / (height ** 3 * width);
      const stress = 504_000 / (height * height * width);
      const buckling = 64_746.022 * (1 - 0.0282346 * height) * height * width ** 3;
      return (
        broken((shearOf(weld, length, height) - MOST_SHEAR) / MOST_SHEAR) +
        broken((stress - MOST_STRESS) / MOST_STRESS) +
        broken((weld - width) / (5 - 0.125)) +
        broken((LOAD - buckling) / LOAD)
      );
    },
  };
}

function shearOf(weld: number, length: number, height: number): number {
  const radius = Math.sqrt(0.25 * (length * length + (weld + height) ** 2));
  const direct = LOAD / (Math.SQRT2 * weld * length);
  const moment = LOAD * (OVERHANG + 0.5 * length) * radius;
  const turning =
    moment / (2 * (Math.SQRT1_2 * weld * length * ((length * length) / 12 + 0.25 * (weld + height) ** 2)));
  return Math.sqrt(direct * direct + turning * turning + (length * direct * turning) / radius);
}

const CAR_LOWER = [0.5, 0.45, 0.5, 0.5, 0.875, 0.4, 0.4];
const CAR_UPPER = [1.5, 1.35, 1.5, 1.5, 2.625, 1.2, 1.2];

/** Weight of a car's side, force on a passenger in an impact, and mean speed of the parts that hit. */
export function carSide(): RealProblem {
  return {
    encoding: 'real',
    objectives: 3,
    ...box(7, (gene) => [CAR_LOWER[gene] as number, CAR_UPPER[gene] as number]),
    evaluate(genes, at, objectives, to) {
      const x = genes.subarray(at, at + 7) as unknown as readonly [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      const [a, b, c, d, e, f, g] = x;
      const force = 4.72 - 0.5 * d - 0.19 * b * c;
      const pillar = 10.58 - 0.674 * a * b - 0.67275 * b;
      const door = 16.45 - 0.489 * c * g - 0.843 * e * f;
      objectives[to] = 1.98 + 4.9 * a + 6.67 * b + 6.98 * c + 4.01 * d + 1.78 * e + 0.00001 * f + 2.73 * g;
      objectives[to + 1] = force;
      objectives[to + 2] = 0.5 * (pillar + door);
      return carViolation(x) + broken(force / 4 - 1) + broken(pillar / 9.9 - 1) + broken(door / 15.7 - 1);
    },
  };
}

function carViolation([a, b, c, d, e, f, g]: readonly [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
]): number {
  const abdomen = 1.16 - 0.3717 * b * d - 0.0092928 * c;
  const upperViscous = 0.261 - 0.0159 * a * b - 0.06486 * a - 0.019 * b * g + 0.0144 * c * e + 0.0154464 * f;
  const middleViscous =
    0.214 +
    0.00817 * e -
    0.045195 * a -
    0.0135168 * a +
    0.03099 * b * f -
    0.018 * b * g +
    0.007176 * c +
    0.023232 * c -
    0.00364 * e * f -
    0.018 * b * b;
  const lowerViscous = 0.74 - 0.61 * b - 0.031296 * c - 0.031872 * g + 0.227 * b * b;
  const upperRib = 28.98 + 3.818 * c - 4.2 * a * b + 1.27296 * f - 2.68065 * g;
  const middleRib = 33.86 + 2.95 * c - 5.057 * a * b - 3.795 * b - 3.4431 * g + 1.45728;
  const lowerRib = 46.36 - 9.9 * b - 4.4505 * a;
  return (
    broken(abdomen - 1) +
    broken(upperViscous / 0.32 - 1) +
    broken(middleViscous / 0.32 - 1) +
    broken(lowerViscous / 0.32 - 1) +
    broken(upperRib / 32 - 1) +
    broken(middleRib / 32 - 1) +
    broken(lowerRib / 32 - 1)
  );
}

function broken(value: number): number {
  return value > 0 ? value : 0;
}
