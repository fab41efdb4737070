/** How an attempt is ended from inside a host function. */
import type { FailureReason } from '@fog/contract';

export type StopCause =
  | { kind: 'exit'; exitCode: number }
  | { kind: 'failed'; reason: FailureReason; message: string; exitCode: number | null };

/**
 * Unwinds the guest. A guest with exception handling can catch it (`catch_all` sees foreign exceptions too), so it is
 * sticky: whoever throws it has stored it, and every later host call throws it again.
 */
export class AttemptStop extends Error {
  override readonly name = 'AttemptStop';
  readonly stopCause: StopCause;

  constructor(stopCause: StopCause) {
    super(stopCause.kind === 'exit' ? `exit ${stopCause.exitCode}` : stopCause.message);
    this.stopCause = stopCause;
  }
}

export function failedStop(reason: FailureReason, message: string): AttemptStop {
  return new AttemptStop({ kind: 'failed', reason, message, exitCode: null });
}
