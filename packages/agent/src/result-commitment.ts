/** Binds the node to the result of a verified attempt before it shows it. Pure. */
import { type AttemptName, attemptKey, type RevealedResult, type TaskOutput, type TaskSpec } from '@fog/contract';
import type { AttemptOutput } from '@fog/runtimes';
import { commitmentOf, resultDigest, resultSigningInput, taskResult } from '@fog/verification';
import { AttemptFailure } from './attempt-failure.ts';
import type { NodeIdentity } from './identity.ts';

export interface BoundResult {
  /** Hex; told at once. */
  commitment: string;
  /** What opens it; told when it is asked for. */
  result: RevealedResult;
}

/** With the outputs as they wait to be asked for. */
export interface BoundOutputs {
  result: BoundResult;
  outputs: readonly AttemptOutput[];
}

/**
 * `nonce`: 32 fresh random bytes. Throws `AttemptFailure` `output-missing` when the outputs are not those that the job
 * declares.
 */
export function bindResult(
  { nodeId, sign }: Pick<NodeIdentity, 'nodeId' | 'sign'>,
  attempt: AttemptName,
  task: Pick<TaskSpec, 'runtime' | 'outputs'>,
  outputs: readonly TaskOutput[],
  nonce: Buffer,
): BoundResult {
  const canonical = taskResult(task, outputs);
  if (canonical === null) {
    throw new AttemptFailure(
      'output-missing',
      `the outputs of ${attemptKey(attempt)} are not those that were declared`,
    );
  }
  const digest = resultDigest(canonical);
  const { job, partition, fence } = attempt;
  const opening = { digest, nonce: nonce.toString('hex') };
  return {
    commitment: commitmentOf({ ...opening, nodeId }),
    result: { ...opening, signature: sign(resultSigningInput({ job, partition, fence, nodeId, digest })) },
  };
}
