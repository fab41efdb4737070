/** Thrown inside the agent where an attempt ends with a reason that its user is told. */
import type { FailureReason } from '@fog/contract';

export class AttemptFailure extends Error {
  override readonly name = 'AttemptFailure';
  readonly reason: FailureReason;

  constructor(reason: FailureReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** The program has run, and failed. */
export class FailedRun extends AttemptFailure {
  readonly exitCode: number | null;

  constructor(reason: FailureReason, message: string, exitCode: number | null) {
    super(reason, message);
    this.exitCode = exitCode;
  }
}

/** What is told of anything that was thrown. */
export function failureOf(error: unknown): { reason: FailureReason; message: string } {
  if (error instanceof AttemptFailure) return error;
  return { reason: 'sandbox', message: `the node broke: ${error instanceof Error ? error.message : String(error)}` };
}
