/**
 * How long tasks wait for their first node, counted for each tenant, tier and period.
 *
 * A wait counts from the moment at which the task could be placed: its submit, or when what kept it back was over. It does
 * not count where its tenant kept it waiting: a suspended task, or one beyond a quota. A task that was given up has waited
 * as long as `timeouts.queue` let it.
 */
import { parseDuration, SERVICE_TIERS, type ServiceTier } from '@fog/contract';
import { type CreditSchedule, waitBound } from '@fog/scheduler/queueing';
import { DISPATCH_LIMITS } from '../../limits.ts';
import type { ClaimedTask } from '../../store/claim.ts';
import type { Database, Writer } from '../../store/database.ts';
import { removeStaleUses } from '../../store/quota-rows.ts';
import { addServiceWaits, removeSettlements, type ServiceWaitRow, settlePeriods } from '../../store/service-rows.ts';
import type { DispatcherInput } from '../inputs.ts';
import type { JobCache } from '../job-cache.ts';
import type { PlacementClasses } from '../placement-classes.ts';
import type { Requirements } from '../requirements.ts';
import type { Sessions } from '../sessions.ts';
import type { Turn } from '../turn.ts';
import { tierOf } from './claim-order.ts';

/** So many tasks of a tenant that waited so long. */
export interface LeaseWait {
  job: string;
  tenant: string;
  tier: ServiceTier;
  /** When they could have been placed. */
  since: number;
  count: number;
}

/** Waits of the tasks among these that have found their first node. Those of one job came at the same time. */
export function firstWaitsOf(
  claimed: readonly ClaimedTask[],
  requirements: Requirements,
  jobs: Pick<JobCache, 'get'>,
  now: number,
): LeaseWait[] {
  const waits: LeaseWait[] = [];
  let last: { job: string; deadline: number; wait: LeaseWait } | null = null;
  for (const { job, fence, queueDeadline } of claimed) {
    if (fence !== 1 || queueDeadline === null) continue;
    if (last !== null && last.job === job && last.deadline === queueDeadline) {
      last.wait.count += 1;
      continue;
    }
    const { isHidden, queueMilliseconds, submitter } = jobs.get(job);
    if (isHidden) continue;
    const since = Math.min(now, queueDeadline - queueMilliseconds);
    const wait: LeaseWait = { job, tenant: submitter, tier: tierOf(requirements), since, count: 1 };
    waits.push(wait);
    last = { job, deadline: queueDeadline, wait };
  }
  return waits;
}

/** Of the tasks that were given up in this turn before any node took them. One that no node suits was promised nothing. */
export async function expiredWaits(
  writer: Writer,
  { rows }: Pick<Turn, 'rows'>,
  inputs: readonly DispatcherInput[],
  known: { jobs: Pick<JobCache, 'get'>; classes: PlacementClasses; sessions: Sessions; now: number },
): Promise<LeaseWait[]> {
  const { jobs, classes, sessions, now } = known;
  const expired = inputs.flatMap((input) => {
    const task = input.kind === 'queue-deadline' ? rows.task(input.name) : undefined;
    return task?.state === 'expired' && !jobs.get(task.job).isHidden ? [task] : [];
  });
  if (expired.length === 0) return [];
  const placements = await classes.load(writer, [...new Set(expired.map(({ classId }) => classId))]);
  const suited = new Set(placements.filter((placement) => sessions.placer.suitable(placement) > 0).map(({ id }) => id));
  return expired
    .filter(({ classId }) => suited.has(classId))
    .map(({ job }) => {
      const { queueMilliseconds, spec, submitter } = jobs.get(job);
      return { job, tenant: submitter, tier: tierOf(spec.spec), since: now - queueMilliseconds, count: 1 };
    });
}

export interface ServiceWaitsDependencies {
  database: Database;
  now: () => number;
  /** Told of each wait. */
  observe: (tier: ServiceTier, seconds: number) => void;
}

export class ServiceWaits {
  readonly #dependencies: ServiceWaitsDependencies;
  /** Counts that are not stored yet. */
  #counted = new Map<string, ServiceWaitRow>();
  /** Until when a tenant was kept back by its quota. */
  readonly #heldBack = new Map<string, number>();

  constructor(dependencies: ServiceWaitsDependencies) {
    this.#dependencies = dependencies;
  }

  /** The turn that leased them, and found these tenants beyond their quota, is committed. */
  note(waits: readonly LeaseWait[], overQuota: Iterable<string>, now: number): void {
    for (const wait of waits) {
      const since = Math.max(wait.since, this.#heldBack.get(wait.tenant) ?? 0);
      this.#count(wait, Math.max(0, now - since), now);
    }
    for (const tenant of overQuota) {
      this.#heldBack.delete(tenant);
      this.#heldBack.set(tenant, now);
    }
    for (const tenant of this.#heldBack.keys()) {
      if (this.#heldBack.size <= DISPATCH_LIMITS.quotas) break;
      this.#heldBack.delete(tenant);
    }
  }

  #count({ tenant, tier, count }: LeaseWait, waited: number, now: number): void {
    for (let times = 0; times < count; times += 1) this.#dependencies.observe(tier, waited / 1000);
    const period = periodOf(now);
    const bound = waitBound(waited);
    const key = `${tenant} ${SERVICE_TIERS.indexOf(tier)} ${period} ${bound}`;
    const row = this.#counted.get(key);
    if (row === undefined) this.#counted.set(key, { tenant, tier, period, bound, count });
    else row.count += count;
  }

  /** Stores what was counted; what a crash loses is at most what came since the last time. */
  async store(): Promise<void> {
    if (this.#counted.size === 0) return;
    const counted = this.#counted;
    this.#counted = new Map();
    try {
      await this.#dependencies.database.write((writer) => addServiceWaits(writer, [...counted.values()]));
    } catch (error) {
      for (const [key, row] of counted) {
        const fresh = this.#counted.get(key);
        if (fresh === undefined) this.#counted.set(key, row);
        else fresh.count += row.count;
      }
      throw error;
    }
  }
}

/** The start of the period that a moment lies in. */
export function periodOf(at: number): number {
  return at - (at % DISPATCH_LIMITS.servicePeriodMilliseconds);
}

/** Settles periods that are over, and forgets settlements as old as jobs may become. */
export async function settleServiceLevels({
  database,
  keepJobs,
  credits,
  now,
}: {
  database: Database;
  keepJobs: string;
  credits: () => CreditSchedule;
  now: () => number;
}): Promise<void> {
  await database.write(async (writer) => {
    await settlePeriods(writer, now(), credits());
    await removeSettlements(writer, now() - parseDuration(keepJobs));
    await removeStaleUses(writer);
  });
}
