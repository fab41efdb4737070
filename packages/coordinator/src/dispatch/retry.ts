/** What follows a failed attempt: another try, when, or the end of the task. Pure. */
import { FAILURE_REASONS, type FailureReason, type JobSpec, LIMITS, parseDuration } from '@fog/contract';
import { DISPATCH_LIMITS } from '../limits.ts';

export interface Failures {
  jobFailures: number;
  nodeFailures: number;
}

export type AfterFailure =
  /** `avoidsNode`: any other node rather than that one. */
  | { next: 'retry'; delayMilliseconds: number; avoidsNode: boolean; failures: Failures }
  | { next: 'fail'; reason: FailureReason; failures: Failures };

/** What a node tried and could not do. */
const TROUBLE: readonly FailureReason[] = ['sandbox', 'staging', 'image-pull', 'upload'];

/**
 * A failure of the node costs none of `retry.attempts`; it is retried up to `LIMITS.nodeFailures`.
 * A failure of the job is retried with backoff while attempts are left and its reason and exit code allow it.
 * `random` is in [0, 1).
 */
export function afterFailure(
  retry: JobSpec['spec']['retry'],
  before: Failures,
  failure: { reason: FailureReason; exitCode: number | null },
  random: number,
): AfterFailure {
  if (FAILURE_REASONS[failure.reason].blame === 'node') {
    const failures = { ...before, nodeFailures: before.nodeFailures + 1 };
    if (failures.nodeFailures >= LIMITS.nodeFailures) {
      return { next: 'fail', reason: 'too-many-node-failures', failures };
    }
    // Who vanished is no reason to wait; what a node could not do it may not be able to do in a moment either.
    const isTrouble = TROUBLE.includes(failure.reason);
    const { failurePauseMilliseconds: first, failureLongestPauseMilliseconds: longest } = DISPATCH_LIMITS;
    const delayMilliseconds = isTrouble ? Math.min(longest, first * 2 ** before.nodeFailures) : 0;
    return { next: 'retry', delayMilliseconds, avoidsNode: isTrouble, failures };
  }
  const failures = { ...before, jobFailures: before.jobFailures + 1 };
  const isRetryable = (retry.on as readonly FailureReason[]).includes(failure.reason);
  const isFinalCode = failure.exitCode !== null && retry.nonRetryableExitCodes.includes(failure.exitCode);
  if (!isRetryable || isFinalCode || failures.jobFailures >= retry.attempts) {
    return { next: 'fail', reason: failure.reason, failures };
  }
  const delayMilliseconds = backoff(retry.backoff, failures.jobFailures, random);
  return { next: 'retry', delayMilliseconds, avoidsNode: false, failures };
}

/** Exponential; with full jitter a random part of it (aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter). */
export function backoff(settings: JobSpec['spec']['retry']['backoff'], failures: number, random: number): number {
  const longest = Math.min(
    parseDuration(settings.max),
    parseDuration(settings.initial) * settings.factor ** (failures - 1),
  );
  return Math.round(settings.jitter === 'full' ? longest * random : longest);
}
