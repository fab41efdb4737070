/** The standard problems by name. */
import { FogError } from '@fog/contract';
import { assertWholeNumber } from '../checked-input.ts';
import { NSGA2_LIMITS } from '../limits.ts';
import type { RealProblem } from '../problem.ts';
import { c1dtlz1, c1dtlz3, c2dtlz2, c3dtlz1, c3dtlz4 } from './constrained-dtlz.ts';
import { ctp, ctp1 } from './ctp.ts';
import { dtlz1, dtlz2, dtlz3, dtlz4, dtlz5, dtlz6, dtlz7 } from './dtlz.ts';
import { carSide, weldedBeam } from './engineering.ts';
import { bnh, kursawe, osy, srn, tnk } from './two-objective.ts';
import { zdt1, zdt2, zdt3, zdt4, zdt6 } from './zdt.ts';

/** What of a problem can be chosen; without it, what its authors chose. */
export interface ProblemSize {
  variables?: number;
  objectives?: number;
}

type Maker = (size: ProblemSize) => RealProblem;

const byVariables =
  (make: (variables?: number) => RealProblem): Maker =>
  ({ variables }) =>
    make(variables);
const byBoth =
  (make: (objectives?: number, variables?: number) => RealProblem): Maker =>
  ({ objectives, variables }) =>
    make(objectives, variables);
const fixed =
  (make: () => RealProblem): Maker =>
  () =>
    make();

const PROBLEMS: Readonly<Record<string, Maker>> = {
  zdt1: byVariables(zdt1),
  zdt2: byVariables(zdt2),
  zdt3: byVariables(zdt3),
  zdt4: byVariables(zdt4),
  zdt6: byVariables(zdt6),
  dtlz1: byBoth(dtlz1),
  dtlz2: byBoth(dtlz2),
  dtlz3: byBoth(dtlz3),
  dtlz4: byBoth(dtlz4),
  dtlz5: byBoth(dtlz5),
  dtlz6: byBoth(dtlz6),
  dtlz7: byBoth(dtlz7),
  c1dtlz1: byBoth(c1dtlz1),
  c1dtlz3: byBoth(c1dtlz3),
  c2dtlz2: byBoth(c2dtlz2),
  c3dtlz1: byBoth(c3dtlz1),
  c3dtlz4: byBoth(c3dtlz4),
  bnh: fixed(bnh),
  srn: fixed(srn),
  tnk: fixed(tnk),
  osy: fixed(osy),
  kursawe: byVariables(kursawe),
  weldedbeam: fixed(weldedBeam),
  carside: fixed(carSide),
  ctp1: byVariables(ctp1),
  ...Object.fromEntries(
    [2, 3, 4, 5, 6, 7, 8].map((number) => [`ctp${number}`, byVariables((count) => ctp(number, count))]),
  ),
};

export const STANDARD_PROBLEMS: readonly string[] = Object.keys(PROBLEMS);

/**
 * The problem of that name; capitals, dashes and underscores do not count. Throws a `FogError` (`not-found`) for another
 * name, (`invalid-configuration`) for a size that it cannot have.
 */
export function standardProblem(name: string, size: ProblemSize = {}): RealProblem {
  const make = PROBLEMS[name.toLowerCase().replaceAll(/[-_]/g, '')];
  if (make === undefined) {
    throw new FogError('not-found', `there is no standard problem "${name}"`, {
      hint: `the problems are: ${STANDARD_PROBLEMS.join(', ')}`,
    });
  }
  if (size.objectives !== undefined) assertWholeNumber('objectives', size.objectives, 2, NSGA2_LIMITS.objectives);
  if (size.variables !== undefined) {
    assertWholeNumber('variables', size.variables, Math.max(2, size.objectives ?? 2), NSGA2_LIMITS.genes);
  }
  const problem = make(size);
  assertWholeNumber(
    `variables of ${name}`,
    problem.lower.length,
    size.variables ?? 1,
    size.variables ?? NSGA2_LIMITS.genes,
  );
  assertWholeNumber(
    `objectives of ${name}`,
    problem.objectives,
    size.objectives ?? 1,
    size.objectives ?? NSGA2_LIMITS.objectives,
  );
  return problem;
}
