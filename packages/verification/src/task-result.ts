/** The canonical result of a run that succeeded, from its specification and the outputs that its node names. */
import type { TaskOutput, TaskSpec } from '@fog/contract';
import type { CanonicalOutput, CanonicalResult } from './result-digest.ts';

/** What a script returns; it is an output even where the job declares none. */
const SCRIPT_OUTPUT = 'result';

/**
 * Null when the outputs are not those that the specification declares, each once, with what a script returns beside
 * them; its path is empty when it was not declared. No runtime whose results are verified has standard output among its
 * outputs, so none is part of the result.
 */
export function taskResult(
  { runtime, outputs: declared }: Pick<TaskSpec, 'runtime' | 'outputs'>,
  outputs: readonly TaskOutput[],
): CanonicalResult | null {
  const byName = new Map(outputs.map((output) => [output.name, output]));
  const isUndeclared = runtime === 'javascript' && declared.every(({ name }) => name !== SCRIPT_OUTPUT);
  const expected =
    isUndeclared && byName.has(SCRIPT_OUTPUT) ? [...declared, { name: SCRIPT_OUTPUT, path: '' }] : declared;
  if (outputs.length !== expected.length) return null;
  const canonical: CanonicalOutput[] = [];
  for (const { name, path } of expected) {
    const output = byName.get(name);
    if (output === undefined) return null;
    canonical.push({ name, path, digest: output.digest, bytes: output.bytes });
  }
  return { exitCode: 0, stdout: null, outputs: canonical };
}
