import type { QueuedWork } from '@fog/scheduler/queueing';

/** Work that wants one processor for a minute, apart from what is said. */
export function work(id: string, changes: Partial<QueuedWork> = {}): QueuedWork {
  return {
    id,
    tenant: 'tenant',
    tier: 'bronze',
    priority: 0,
    isSpot: false,
    processors: 1,
    requestedSeconds: 60,
    submittedAtSeconds: 0,
    resources: {},
    dependsOn: [],
    ...changes,
  };
}
