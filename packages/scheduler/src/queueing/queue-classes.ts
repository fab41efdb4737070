/** In which order work goes that differs in more than its tenant: priority, then whether it has aged, then its tier. */
import type { ServiceTier } from '@fog/contract';
import { tierRank } from './service-levels.ts';

export interface QueueClass {
  /** The higher goes first, whatever else. */
  priority: number;
  /** It has waited as long as the bound: it goes before all of its priority that has not, in the order of arrival. */
  hasAged: boolean;
  tier: ServiceTier;
}

/**
 * Negative when `one` goes first; 0 when they are alike: then aged work goes in the order of arrival, other work by
 * fairness between tenants. Tiers are told apart among aged work as well, or gold would wait for bronze.
 */
export function compareQueueClasses(one: QueueClass, other: QueueClass): number {
  return (
    other.priority - one.priority ||
    Number(other.hasAged) - Number(one.hasAged) ||
    tierRank(one.tier) - tierRank(other.tier)
  );
}
