/** What the dispatcher knows of quotas, promises and aging. */
import { parseDuration, type ServiceTier } from '@fog/contract';
import type { Database } from '../../store/database.ts';
import { Quotas } from './quotas.ts';
import { ServiceWaits } from './service-waits.ts';

export interface Queueing {
  quotas: Quotas;
  serviceWaits: ServiceWaits;
  /** After this wait, work goes before all of its priority that has waited less. */
  agingMilliseconds: number;
}

/** `observe` is told of each wait. */
export function openQueueing(
  basis: { database: Database; coordinatorId: string; now: () => number },
  agingBound: string,
  observe: (tier: ServiceTier, seconds: number) => void,
): Queueing {
  const serviceWaits = new ServiceWaits({ ...basis, observe });
  return { quotas: new Quotas(basis), serviceWaits, agingMilliseconds: parseDuration(agingBound) };
}
