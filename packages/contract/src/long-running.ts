import type { JobSpec } from './job-spec.ts';
import { LIMITS } from './limits.ts';

/** Services and daemons are kept running; every other job has an end. */
export function isLongRunning({ spec }: JobSpec): boolean {
  return spec.type === 'service' || spec.type === 'daemon';
}

/** Bytes that the log of a program may have that is kept running for so long. */
export function serviceLogRoom(runMilliseconds: number): number {
  return LIMITS.serviceLogBytes * (1 + Math.floor(Math.max(0, runMilliseconds) / LIMITS.serviceLogMilliseconds));
}
