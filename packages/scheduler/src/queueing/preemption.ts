/** Which spot work is stopped to make room, so that as little work as possible is lost. */
import { FogError } from '@fog/contract';
import { amountOf, assertAmounts, type ResourceAmounts, type RunningWork } from './queued-work.ts';

export interface SpotWork {
  id: string;
  demand: ResourceAmounts;
  /** What would be computed once more. */
  lostProcessorSeconds: number;
}

export interface PreemptionNode {
  id: string;
  free: ResourceAmounts;
  spot: readonly SpotWork[];
}

export interface Preemption {
  nodeId: string;
  /** In the order in which they are to be stopped, the cheapest first; none when there is room as it is. */
  victims: string[];
  lostProcessorSeconds: number;
}

/** Processors times the time since its start or its last checkpoint. */
export function lostProcessorSeconds(
  work: Pick<RunningWork, 'processors' | 'safeAtSeconds'>,
  nowSeconds: number,
): number {
  return work.processors * Math.max(0, nowSeconds - work.safeAtSeconds);
}

/**
 * The node on which room for `wanted` costs the least lost work, and what is stopped there: from the cheapest up until it
 * fits, without those that turn out not to be needed. Null when no node has enough. Of equal nodes the first. This is a
 * greedy choice: with several resources, another set may lose less. Throws `invalid-request` for amounts that are none.
 */
export function chooseSpotVictims(wanted: ResourceAmounts, nodes: readonly PreemptionNode[]): Preemption | null {
  assertAmounts(wanted, 'wanted');
  let best: Preemption | null = null;
  for (const node of nodes) {
    const choice = victimsOn(wanted, node);
    if (choice === null) continue;
    if (best === null || choice.lostProcessorSeconds < best.lostProcessorSeconds) best = choice;
  }
  return best;
}

function victimsOn(wanted: ResourceAmounts, { id, free, spot }: PreemptionNode): Preemption | null {
  for (const { id: spotId, demand, lostProcessorSeconds: lost } of spot) {
    assertAmounts(demand, `demand of ${spotId}`);
    if (!(lost >= 0)) {
      throw new FogError('invalid-request', `the work that ${spotId} would lose is ${lost}`, {
        hint: 'it is not negative',
      });
    }
  }
  const cheapest = spot.toSorted((a, b) => a.lostProcessorSeconds - b.lostProcessorSeconds || (a.id < b.id ? -1 : 1));
  const freed = Object.fromEntries(Object.keys(wanted).map((resource) => [resource, amountOf(free, resource)]));
  const add = (demand: ResourceAmounts, sign: 1 | -1) => {
    for (const resource of Object.keys(freed))
      freed[resource] = amountOf(freed, resource) + sign * amountOf(demand, resource);
  };
  const fits = () => Object.entries(wanted).every(([resource, amount]) => amountOf(freed, resource) >= amount);
  let count = 0;
  while (!fits()) {
    const next = cheapest[count];
    if (next === undefined) return null;
    add(next.demand, 1);
    count += 1;
  }
  const needless = new Set<SpotWork>();
  for (const dearest of cheapest.slice(0, count).reverse()) {
    add(dearest.demand, -1);
    if (fits()) needless.add(dearest);
    else add(dearest.demand, 1);
  }
  const victims = cheapest.slice(0, count).filter((victim) => !needless.has(victim));
  const lost = victims.reduce((sum, victim) => sum + victim.lostProcessorSeconds, 0);
  return { nodeId: id, victims: victims.map((victim) => victim.id), lostProcessorSeconds: lost };
}
