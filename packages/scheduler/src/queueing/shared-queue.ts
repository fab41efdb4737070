/**
 * The queue of a cluster that tenants share: which work starts now, and which spot work is stopped for it.
 *
 * Ready work goes by, in this order: priority; whether it has aged; tier; dominant-resource fairness between tenants; the
 * order of the policy within each tenant. EASY backfilling then fills gaps around the first that does not fit. What a
 * quota forbids is left out and holds up nobody. When the head is no spot work, and stopping spot work makes room for it
 * now, that work is named and no gap is filled: it is stopped first, and the head starts at the next decision.
 */
import { hasAged } from './aging.ts';
import { decideStarts, type StartDecision, type StartGate } from './backfilling.ts';
import { isReady } from './dependencies.ts';
import { fairOrder } from './dominant-share.ts';
import { inOrder, type JobScore } from './job-order.ts';
import { chooseSpotVictims, lostProcessorSeconds, type Preemption } from './preemption.ts';
import { compareQueueClasses, type QueueClass } from './queue-classes.ts';
import {
  addTo,
  assertQueuedWork,
  demandOf,
  type QueuedWork,
  type ResourceAmounts,
  type RunningWork,
} from './queued-work.ts';
import { countStart, excessOfStart, noUse, type Quota, type QuotaExcess, type TenantUse } from './quotas.ts';

export interface SharedQueuePolicy {
  order: JobScore;
  /** After this wait, work goes before all of its priority that has waited less; null never. */
  agingBoundSeconds: number | null;
  preemptsSpot: boolean;
}

export interface SharedQueueState {
  nowSeconds: number;
  /** Of the whole cluster, `processors` among them. */
  capacity: ResourceAmounts & { readonly processors: number };
  freeProcessors: number;
  /** As it came. */
  waiting: readonly QueuedWork[];
  running: readonly RunningWork[];
  finished: ReadonlySet<string>;
  quotas: ReadonlyMap<string, Quota>;
  weights?: ReadonlyMap<string, number>;
}

export interface SharedQueueDecision extends StartDecision<QueuedWork> {
  /** Spot work to stop for the head; null when none is to be stopped. */
  preemption: Preemption | null;
  /** Work that would start if its tenant's quota let it. */
  overQuota: { workId: string; excess: QuotaExcess }[];
}

/** Throws `invalid-request` for amounts that are none, and for work that makes no sense or is there twice. */
export function decideSharedQueue(policy: SharedQueuePolicy, state: SharedQueueState): SharedQueueDecision {
  assertQueuedWork(state.waiting);
  const { nowSeconds, capacity, running, freeProcessors } = state;
  const waiting = rank(
    policy,
    state,
    state.waiting.filter((work) => isReady(work, state.finished)),
  );
  const question = { nowSeconds, totalProcessors: capacity.processors, freeProcessors, running, waiting };
  if (policy.preemptsSpot) {
    const { gate, overQuota } = quotaGate(state);
    const decision = decideStarts({ ...question, gate, rule: 'none' });
    const head = waiting.find(({ id }) => id === decision.reservation?.jobId);
    const preemption = head === undefined ? null : preempt(head, state, decision);
    if (preemption !== null) return { ...decision, preemption, overQuota: [...overQuota.values()] };
  }
  const { gate, overQuota } = quotaGate(state);
  const decision = decideStarts({ ...question, gate, rule: 'easy' });
  return { ...decision, preemption: null, overQuota: [...overQuota.values()] };
}

function rank(policy: SharedQueuePolicy, state: SharedQueueState, ready: readonly QueuedWork[]): QueuedWork[] {
  const { nowSeconds, capacity, weights } = state;
  const usedBy = new Map<string, Record<string, number>>();
  for (const { tenant, processors, resources } of state.running) {
    const used = usedBy.get(tenant) ?? {};
    usedBy.set(tenant, used);
    addTo(used, demandOf({ processors, resources }));
  }
  const bound = policy.agingBoundSeconds;
  const classOf = ({ priority, tier, ...work }: QueuedWork): QueueClass => {
    return { priority, hasAged: bound !== null && hasAged(work, nowSeconds, bound), tier };
  };
  const classes = Map.groupBy(inOrder(ready, policy.order, nowSeconds), (work) => Object.values(classOf(work)).join());
  const sorted = [...classes.values()].sort((one, other) =>
    compareQueueClasses(classOf(one[0] as QueuedWork), classOf(other[0] as QueuedWork)),
  );
  return sorted.flatMap((works) => {
    const isAged = classOf(works[0] as QueuedWork).hasAged;
    const members = new Set(works);
    // Aged work goes as it came, or its wait would have no bound.
    const ordered = isAged
      ? ready.filter((work) => members.has(work))
      : fairOrder(works, { capacity, usedBy, ...(weights === undefined ? {} : { weights }) });
    for (const work of ordered) {
      const used = usedBy.get(work.tenant) ?? {};
      usedBy.set(work.tenant, used);
      addTo(used, demandOf(work));
    }
    return ordered;
  });
}

function quotaGate({ quotas, running }: SharedQueueState): {
  gate: StartGate<QueuedWork>;
  overQuota: Map<string, { workId: string; excess: QuotaExcess }>;
} {
  const uses = new Map<string, TenantUse>();
  const useOf = (tenant: string) => {
    const use = uses.get(tenant) ?? noUse();
    uses.set(tenant, use);
    return use;
  };
  for (const work of running) countStart(useOf(work.tenant), work);
  const overQuota = new Map<string, { workId: string; excess: QuotaExcess }>();
  const gate: StartGate<QueuedWork> = {
    admits(work) {
      const quota = quotas.get(work.tenant);
      const excess = quota === undefined ? null : excessOfStart(quota, useOf(work.tenant), work);
      if (excess !== null) overQuota.set(work.id, { workId: work.id, excess });
      return excess === null;
    },
    started: (work) => countStart(useOf(work.tenant), work),
  };
  return { gate, overQuota };
}

function preempt(
  head: QueuedWork,
  { nowSeconds, running, freeProcessors }: SharedQueueState,
  { starts }: StartDecision<QueuedWork>,
): Preemption | null {
  if (head.isSpot) return null;
  const spot = running
    .filter(({ isSpot }) => isSpot)
    .map((work) => ({
      id: work.id,
      demand: { processors: work.processors },
      lostProcessorSeconds: lostProcessorSeconds(work, nowSeconds),
    }));
  const processors = starts.reduce((left, { job }) => left - job.processors, freeProcessors);
  return chooseSpotVictims({ processors: head.processors }, [{ id: 'cluster', free: { processors }, spot }]);
}
