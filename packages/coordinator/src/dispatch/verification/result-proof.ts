/** Whether what a node shows is what it has computed, stored and signed. Pure. */
import type { AttemptReport, TaskOutput, TaskSpec } from '@fog/contract';
import { resultDigest, taskResult, verifyResultSignature } from '@fog/verification';
import type { TurnAttempt } from '../turn-records.ts';

export type Succeeded = Extract<AttemptReport, { event: 'succeed' }>;

/** What of a result only the connection and the store can tell. */
export interface Witness {
  /** Of the node that reports, raw Ed25519, base64url. */
  publicKey: string;
  /** Whether it is trusted, now. */
  isTrusted: boolean;
  /** Digests of the reported outputs that the coordinator does not have. */
  missing: ReadonlySet<string>;
}

/** Proves nothing. */
export const NO_WITNESS: Witness = { publicKey: '', isTrusted: false, missing: new Set() };

/** Null when the outputs are not those that the job declares. */
export function digestOfOutputs(
  task: Pick<TaskSpec, 'runtime' | 'outputs'>,
  outputs: readonly TaskOutput[],
): string | null {
  const canonical = taskResult(task, outputs);
  return canonical === null ? null : resultDigest(canonical);
}

/** The digest of the result, if the node has signed it for this attempt and its outputs are here; else null. */
export function provenDigest(
  attempt: TurnAttempt,
  task: Pick<TaskSpec, 'runtime' | 'outputs'>,
  { result, outputs }: Succeeded,
  witness: Witness,
): string | null {
  const digest = digestOfOutputs(task, outputs);
  if (digest === null || result?.digest !== digest) return null;
  if (outputs.some((output) => witness.missing.has(output.digest))) return null;
  const { job, partition, fence, node: nodeId } = attempt;
  const isSigned = verifyResultSignature(
    { job, partition, fence, nodeId, digest },
    witness.publicKey,
    result.signature,
  );
  return isSigned ? digest : null;
}
