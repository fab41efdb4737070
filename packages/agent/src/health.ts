/**
 * What the checks of one run of a program say of it. Pure.
 *
 *     starting --success--> healthy <--success-- (failing, up to `retries` in a row)
 *         \___ `retries` failures in a row, those of the start period not counted ___/-> unhealthy, for good:
 *                                                                                       the run is to be ended
 */
import { type HealthReport, type HealthSpec, parseDuration } from '@fog/contract';

export interface HealthPolicy {
  intervalMilliseconds: number;
  timeoutMilliseconds: number;
  /** Failures in a row. */
  retries: number;
  startPeriodMilliseconds: number;
}

export interface CheckResult {
  isHealthy: boolean;
  /** What was found, for people. */
  message: string;
}

export interface HealthState {
  status: HealthReport['status'];
  /** Failures that count, in a row. */
  failures: number;
  /** Of the last check; empty before the first. */
  message: string;
  isChecked: boolean;
  /** When the program started, on the clock of `now`. */
  startedMilliseconds: number;
}

export function healthPolicyOf({ interval, timeout, retries, startPeriod }: HealthSpec): HealthPolicy {
  return {
    intervalMilliseconds: parseDuration(interval),
    timeoutMilliseconds: parseDuration(timeout),
    retries,
    startPeriodMilliseconds: parseDuration(startPeriod),
  };
}

/** Of a program that has just been started. */
export function startedHealth(now: number): HealthState {
  return { status: 'starting', failures: 0, message: '', isChecked: false, startedMilliseconds: now };
}

/** Of a program that ran before this agent did: its start period is over. */
export function adoptedHealth(): HealthState {
  return startedHealth(Number.NEGATIVE_INFINITY);
}

export function afterCheck(
  before: HealthState,
  policy: HealthPolicy,
  { isHealthy, message }: CheckResult,
  now: number,
): HealthState {
  if (before.status === 'unhealthy') return before;
  const state = { ...before, isChecked: true, message };
  if (isHealthy) return { ...state, status: 'healthy', failures: 0 };
  if (isInStartPeriod(state, policy, now)) return state;
  const failures = state.failures + 1;
  return { ...state, status: failures >= policy.retries ? 'unhealthy' : state.status, failures };
}

/**
 * Milliseconds until the next check: at most a second before the first one, and while failures cost nothing, so that a
 * program that is quick to start need not wait for the interval.
 */
export function checkDelay(state: HealthState, policy: HealthPolicy, now: number): number {
  const isEager = !state.isChecked || isInStartPeriod(state, policy, now);
  return isEager ? Math.min(EAGER_MILLISECONDS, policy.intervalMilliseconds) : policy.intervalMilliseconds;
}

const EAGER_MILLISECONDS = 1000;

function isInStartPeriod(state: HealthState, policy: HealthPolicy, now: number): boolean {
  return state.status === 'starting' && now - state.startedMilliseconds < policy.startPeriodMilliseconds;
}
