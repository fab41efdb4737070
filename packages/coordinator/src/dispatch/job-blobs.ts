/** Blobs that the specification of a job names. */
import type { Digest, JobSpec } from '@fog/contract';

export function blobsOf(spec: JobSpec): Digest[] {
  const { task, verification } = spec.spec;
  const compare = verification?.compare ?? 'exact';
  const digests = task.inputs.map((input) => input.source);
  if (task.wasm !== undefined) digests.push(task.wasm.module);
  if (task.javascript !== undefined) digests.push(task.javascript.script);
  if (task.process?.root !== undefined) digests.push(task.process.root);
  if (task.stdin !== undefined && 'source' in task.stdin) digests.push(task.stdin.source);
  if (compare !== 'exact' && 'script' in compare) digests.push(compare.script);
  return digests;
}
