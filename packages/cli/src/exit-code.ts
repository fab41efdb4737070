/**
 * What a command tells its caller:
 *
 *     0    every task succeeded, or the command did what was asked
 *     n    the exit code of the failed task with the lowest number; 1 where it has none
 *     2    what the caller can mend: wrong usage, a fault in the specification, the name of something that does not exist,
 *          a state that does not allow it, a token that does not, an address or a folder that is taken
 *     124  timed out
 *     125  fog itself failed: it cannot be reached, is full or broken, or speaks another version
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

/** Of every code, so that a new one cannot be forgotten. */
const ERROR_EXITS: Readonly<Record<ErrorCode, number>> = {
  'invalid-spec': EXIT.usage,
  'invalid-request': EXIT.usage,
  unsupported: EXIT.usage,
  unauthenticated: EXIT.usage,
  forbidden: EXIT.usage,
  'insufficient-funds': EXIT.usage,
  'not-found': EXIT.usage,
  conflict: EXIT.usage,
  'idempotency-mismatch': EXIT.usage,
  'blob-not-found': EXIT.usage,
  'body-too-large': EXIT.usage,
  'not-serialisable': EXIT.usage,
  'function-not-self-contained': EXIT.usage,
  'runtime-unavailable': EXIT.usage,
  'port-taken': EXIT.usage,
  'data-directory': EXIT.usage,
  'unsupported-platform': EXIT.usage,
  'invalid-configuration': EXIT.usage,
  'task-failed': EXIT.taskFailed,
  'timed-out': EXIT.timedOut,
  cancelled: EXIT.cancelled,
  unavailable: EXIT.fogFailed,
  'too-many-requests': EXIT.fogFailed,
  'storage-full': EXIT.fogFailed,
  'blob-digest-mismatch': EXIT.fogFailed,
  'blob-offset-mismatch': EXIT.fogFailed,
  'protocol-version': EXIT.fogFailed,
  'protocol-violation': EXIT.fogFailed,
  internal: EXIT.fogFailed,
};

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

export function errorExitCode({ code }: FogError): number {
  return ERROR_EXITS[code];
}
