/**
 * Values of standard problems: NAME.x has a point of decision space a row, NAME.f the objectives, NAME.cv how far the
 * constraints are broken in all. A problem without NAME.f is only evaluated.
 */
import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { type RealProblem, standardProblem } from '@fog/scheduler/nsga2';
import type { VectorFile } from '../areas.ts';
import type { Check } from '../vector-shape.ts';
import { assertClose } from './closeness.ts';
import { type NumberTable, parseTable, textOf } from './number-table.ts';

const TOLERANCE = 1e-4;
const FILE = /([^/]+)\.(x|f|cv)(\.gz)?$/;

export async function problemChecks(file: VectorFile): Promise<Check[]> {
  const [, name = '', kind] = FILE.exec(file.path) ?? [];
  const points = await tableBeside(file, name, 'x');
  const objectives = await tableBeside(file, name, 'f');
  const violations = await tableBeside(file, name, 'cv');
  if (points === null) throw new Error(`unknown shape: there is no ${name}.x`);
  // Three files make the checks of one problem.
  if (kind !== 'x') return [];
  const size = { variables: points.columns, ...(objectives === null ? {} : { objectives: objectives.columns }) };
  const problem = standardProblem(name, size);
  for (const [other, columns] of [
    [objectives, problem.objectives],
    [violations, 1],
  ] as const) {
    if (other === null || (other.rows === points.rows && other.columns === columns)) continue;
    throw new Error(`unknown shape: ${other.rows} rows of ${other.columns} for ${points.rows} points of ${name}`);
  }
  const checks: Check[] = [{ name: 'evaluates', run: () => void evaluateAll(problem, points) }];
  if (objectives !== null) checks.push({ name: 'objectives', run: () => compare(problem, points, objectives, null) });
  if (violations !== null) checks.push({ name: 'violation', run: () => compare(problem, points, null, violations) });
  return checks;
}

export function isProblemFile(path: string): boolean {
  return FILE.test(path);
}

async function tableBeside(file: VectorFile, name: string, kind: string): Promise<NumberTable | null> {
  for (const ending of [kind, `${kind}.gz`]) {
    const path = `${posix.dirname(file.path)}/${name}.${ending}`;
    const content = await file.sibling(path);
    if (content !== null) return parseTable(textOf(path, content));
  }
  return null;
}

function evaluateAll(
  problem: RealProblem,
  points: NumberTable,
): { objectives: Float64Array; violations: Float64Array } {
  const objectives = new Float64Array(points.rows * problem.objectives);
  const violations = new Float64Array(points.rows);
  for (let row = 0; row < points.rows; row += 1) {
    violations[row] = problem.evaluate(points.values, row * points.columns, objectives, row * problem.objectives);
  }
  assert.ok(
    [...objectives, ...violations].every((value) => Number.isFinite(value)),
    'a value is not finite',
  );
  return { objectives, violations };
}

function compare(
  problem: RealProblem,
  points: NumberTable,
  objectives: NumberTable | null,
  violations: NumberTable | null,
): void {
  const actual = evaluateAll(problem, points);
  objectives?.values.forEach((expected, at) => {
    const row = Math.floor(at / problem.objectives);
    const what = `objective ${at % problem.objectives} of row ${row + 1}`;
    assertClose(actual.objectives[at] as number, expected, TOLERANCE, what);
  });
  violations?.values.forEach((expected, row) => {
    assertClose(actual.violations[row] as number, expected, TOLERANCE, `violation of row ${row + 1}`);
  });
}
