/** What one tenant may have at a time. */
import { addTo, amountOf, demandOf, type QueuedWork, type ResourceAmounts } from './queued-work.ts';

export interface Quota {
  /** Of what runs, by resource, `processors` among them; what is not named is not limited. */
  running: ResourceAmounts;
  /** Pieces of work that run at a time; null for any number. */
  runningWork: number | null;
  /** Pieces of work that wait at a time; null for any number. */
  queuedWork: number | null;
}

export interface TenantUse {
  running: Record<string, number>;
  runningWork: number;
  queuedWork: number;
}

export interface QuotaExcess {
  /** A resource, `running work` or `queued work`. */
  limit: string;
  allowed: number;
  used: number;
  wanted: number;
}

/** The first limit that this work would go beyond if it started now; null when it may. */
export function excessOfStart(
  quota: Quota,
  use: TenantUse,
  work: Pick<QueuedWork, 'processors' | 'resources'>,
): QuotaExcess | null {
  if (quota.runningWork !== null && use.runningWork + 1 > quota.runningWork) {
    return { limit: 'running work', allowed: quota.runningWork, used: use.runningWork, wanted: 1 };
  }
  for (const [resource, wanted] of Object.entries(demandOf(work))) {
    if (!Object.hasOwn(quota.running, resource)) continue;
    const [allowed, used] = [amountOf(quota.running, resource), amountOf(use.running, resource)];
    if (used + wanted > allowed) return { limit: resource, allowed, used, wanted };
  }
  return null;
}

/** How many pieces of such work may start before one would go beyond a limit; `Infinity` where none is set. */
export function startsWithin(quota: Quota, use: TenantUse, work: Pick<QueuedWork, 'processors' | 'resources'>): number {
  let most = quota.runningWork === null ? Number.POSITIVE_INFINITY : quota.runningWork - use.runningWork;
  for (const [resource, wanted] of Object.entries(demandOf(work))) {
    if (wanted <= 0 || !Object.hasOwn(quota.running, resource)) continue;
    const room = amountOf(quota.running, resource) - amountOf(use.running, resource);
    most = Math.min(most, Math.floor(room / wanted));
  }
  return Math.max(0, most);
}

/** Whether so many more pieces of work may wait. */
export function excessOfSubmit(quota: Quota, use: TenantUse, wanted = 1): QuotaExcess | null {
  if (quota.queuedWork === null || use.queuedWork + wanted <= quota.queuedWork) return null;
  return { limit: 'queued work', allowed: quota.queuedWork, used: use.queuedWork, wanted };
}

export function noUse(): TenantUse {
  return { running: {}, runningWork: 0, queuedWork: 0 };
}

/** Counts a start. Changes `use`. */
export function countStart(use: TenantUse, work: Pick<QueuedWork, 'processors' | 'resources'>): void {
  addTo(use.running, demandOf(work));
  use.runningWork += 1;
}
