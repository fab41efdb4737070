/** The canonical result of a run that succeeded, from its specification and the outputs that its node names. */
import type { TaskOutput, TaskSpec } from '@fog/contract';
import type { CanonicalOutput, CanonicalResult } from './result-digest.ts';

/**
 * Null when the outputs are not those that the specification declares, each once. No runtime whose results are verified
 * has standard output among its outputs, so none is part of the result.
 */
export function taskResult(
  { outputs: declared }: Pick<TaskSpec, 'outputs'>,
  outputs: readonly TaskOutput[],
): CanonicalResult | null {
  const byName = new Map(outputs.map((output) => [output.name, output]));
  if (outputs.length !== declared.length) return null;
  const canonical: CanonicalOutput[] = [];
  for (const { name, path } of declared) {
    const output = byName.get(name);
    if (output === undefined) return null;
    canonical.push({ name, path, digest: output.digest, bytes: output.bytes });
  }
  return { exitCode: 0, stdout: null, outputs: canonical };
}
