/**
 * What a command tells its caller:
 *
 *     0    every task succeeded, or the command did what was asked
 *     n    the exit code of the failed task with the lowest number; 1 where it has none
 *     2    wrong usage, such as the name of something that does not exist, or a fault in the specification
 *     124  timed out
 *     125  fog itself failed
 *     130  cancelled
 */
import type { ErrorCode, FailureReason, FogError, JobState } from '@fog/contract';

export const EXIT = { ok: 0, taskFailed: 1, usage: 2, timedOut: 124, fogFailed: 125, cancelled: 130 } as const;

const TIME_LIMITS: readonly (FailureReason | null)[] = [
  'timeout',
  'heartbeat-timeout',
  'queue-timeout',
  'total-timeout',
];
const USAGE_ERRORS: readonly ErrorCode[] = [
  'invalid-spec',
  'unsupported',
  'invalid-request',
  'invalid-configuration',
  'idempotency-mismatch',
  'not-found',
  'blob-not-found',
];

/** The exit code of a job that has ended; `failedTask` is the one with the lowest number. */
export function jobExitCode(
  job: { state: JobState; reason: FailureReason | null },
  failedTask: { exitCode: number | null; reason: FailureReason | null } | null,
): number {
  if (job.state === 'completed') return EXIT.ok;
  if (job.state === 'cancelled') return EXIT.cancelled;
  if (job.state === 'expired') return EXIT.timedOut;
  if (job.state !== 'failed') return EXIT.fogFailed;
  const code = failedTask?.exitCode ?? null;
  // A process can tell 8 bits; what would look like success must not.
  if (code !== null && code !== 0) return code & 0xff || EXIT.taskFailed;
  return TIME_LIMITS.includes(failedTask?.reason ?? job.reason) ? EXIT.timedOut : EXIT.taskFailed;
}

export function errorExitCode(error: FogError): number {
  if (USAGE_ERRORS.includes(error.code)) return EXIT.usage;
  if (error.code === 'timed-out') return EXIT.timedOut;
  if (error.code === 'cancelled') return EXIT.cancelled;
  return EXIT.fogFailed;
}
