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
