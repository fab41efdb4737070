/**
 * Conformance: runs the cases of vector files against the product.
 *
 *     npm run conformance -- AREA...     the named areas; without a name all of them
 *     npm run conformance -- --quick     without cases that take long, where an area has such
 *     npm run conformance -- --list      which areas there are
 *
 * The data stands outside the repository: FOG_VECTORS and FOG_TRACES name its folders.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { AREAS } from './areas.ts';
import { runConformance } from './run-areas.ts';

const ROOT = resolve(import.meta.dirname, '../..');

const { values, positionals } = parseArgs({
  options: { list: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
  allowPositionals: true,
});
if (values.list) {
  for (const [name, area] of AREAS) console.log(`${name}: ${area.summary}`);
  if (AREAS.size === 0) console.log('there is no area yet');
} else {
  process.exitCode = await runConformance({
    areas: AREAS,
    names: positionals,
    folders: {
      vectors: folder('FOG_VECTORS', '../shared/vectors'),
      traces: folder('FOG_TRACES', '../shared/traces'),
    },
    isQuick: values.quick,
    isCi: (process.env.CI ?? '') !== '',
    print: (line) => console.log(line),
  });
}

/** Relative to the folder that the variable is written in, its default to the repository. */
function folder(variable: string, fallback: string): string {
  const value = process.env[variable];
  return value === undefined || value === '' ? resolve(ROOT, fallback) : resolve(value);
}
