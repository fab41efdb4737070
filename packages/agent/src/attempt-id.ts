import type { AttemptName } from '@fog/contract';

/** Names files, processes and containers of the attempt on this machine. */
export function attemptId({ job, partition, fence }: AttemptName): string {
  return `${job}.${partition}.${fence}`;
}
