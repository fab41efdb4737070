import type { JobSpec } from './job-spec.ts';

/** Services and daemons are kept running; every other job has an end. */
export function isLongRunning({ spec }: JobSpec): boolean {
  return spec.type === 'service' || spec.type === 'daemon';
}
