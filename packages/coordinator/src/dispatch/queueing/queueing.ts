/** What the dispatcher knows of quotas, promises and aging. */
import { parseDuration, type ServiceTier } from '@fog/contract';
import { CREDIT_SCHEDULE, type CreditSchedule } from '@fog/scheduler/queueing';
import type { Database } from '../../store/database.ts';
import { Quotas } from './quotas.ts';
import { ServiceWaits } from './service-waits.ts';

export interface Queueing {
  quotas: Quotas;
  serviceWaits: ServiceWaits;
  /** After this wait, work goes before all of its priority that has waited less. */
  agingMilliseconds: number;
  /** What a missed promise gives back by now. */
  credits: () => CreditSchedule;
}

/** `observe` is told of each wait; without `credits` what is given back is as usual. */
export function openQueueing(
  basis: { database: Database; coordinatorId: string; now: () => number },
  agingBound: string,
  observe: (tier: ServiceTier, seconds: number) => void,
  credits: () => CreditSchedule = () => CREDIT_SCHEDULE,
): Queueing {
  const serviceWaits = new ServiceWaits({ ...basis, observe });
  return { quotas: new Quotas(basis), serviceWaits, agingMilliseconds: parseDuration(agingBound), credits };
}
