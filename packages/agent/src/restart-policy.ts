/** Whether the program of a service is started again on this node. Pure. */
import { type FailureReason, parseDuration, RESTART_DEFAULTS, type RestartSpec } from '@fog/contract';

export interface RestartPolicy {
  /** Restarts within that time; after so many it has to be placed elsewhere. */
  attempts: number;
  withinMilliseconds: number;
  delayMilliseconds: number;
}

/** Ends that another try on the same node may change; the others are those of the node, or of the specification. */
const RESTARTABLE: readonly FailureReason[] = ['ended', 'exit-code', 'oom', 'output-too-large', 'unhealthy'];

export function restartPolicyOf({ attempts, within, delay }: RestartSpec = RESTART_DEFAULTS): RestartPolicy {
  return { attempts, withinMilliseconds: parseDuration(within), delayMilliseconds: parseDuration(delay) };
}

export function isRestartable(reason: FailureReason): boolean {
  return RESTARTABLE.includes(reason);
}

/**
 * `restarts` are the moments of the earlier ones that may still count. Answers those that count from now on, this one
 * included, or null when the program is not to be restarted.
 */
export function restartsAfter(
  policy: RestartPolicy,
  restarts: readonly number[],
  reason: FailureReason,
  now: number,
): number[] | null {
  if (!isRestartable(reason)) return null;
  const counting = restarts.filter((moment) => now - moment < policy.withinMilliseconds);
  return counting.length < policy.attempts ? [...counting, now] : null;
}
