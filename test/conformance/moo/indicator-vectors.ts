/** Distances to a front: NAME.pf, and for each set NAME_NUMBER.f its NAME_NUMBER.gd and NAME_NUMBER.igd, a number each. */
import { posix } from 'node:path';
import { generationalDistance, invertedGenerationalDistance } from '@fog/scheduler/nsga2';
import type { VectorFile } from '../areas.ts';
import type { Check } from '../vector-shape.ts';
import { assertClose } from './closeness.ts';
import { type NumberTable, parseTable, textOf } from './number-table.ts';

const TOLERANCE = 1e-12;
const FILE = /([^/]+?)(?:_(\d+))?\.(pf|f|gd|igd)$/;

export async function indicatorChecks(file: VectorFile): Promise<Check[]> {
  const [, name = '', number, kind = ''] = FILE.exec(file.path) ?? [];
  const own = parseTable(textOf(file.path, file.content));
  if ((kind === 'pf') !== (number === undefined))
    throw new Error('unknown shape: a set has a number, a front has none');
  if (kind === 'pf') return [];
  const front = await tableBeside(file, `${name}.pf`);
  const set = await tableBeside(file, `${name}_${number}.f`);
  if (set.columns !== front.columns)
    throw new Error(`unknown shape: ${set.columns} objectives, ${front.columns} of the front`);
  if (kind === 'f') return [];
  if (own.rows !== 1 || own.columns !== 1) throw new Error('unknown shape: one number was expected');
  const measure = kind === 'gd' ? generationalDistance : invertedGenerationalDistance;
  const run = () =>
    assertClose(measure(set.values, front.values, front.columns), own.values[0] as number, TOLERANCE, kind);
  return [{ name: kind, run }];
}

async function tableBeside({ path, sibling }: VectorFile, name: string): Promise<NumberTable> {
  const content = await sibling(`${posix.dirname(path)}/${name}`);
  if (content === null) throw new Error(`unknown shape: there is no ${name}`);
  return parseTable(textOf(name, content));
}
