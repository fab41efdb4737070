/**
 * EASY's reservation where work needs one node and more than processors: when is there room on this node for the work at
 * the head, if everything runs as long as it may, and what is spare beside it then?
 */
import { amountOf, type ResourceAmounts } from './queued-work.ts';

export interface EndingWork {
  /** When it ends at the latest; `Infinity` for what is kept running. */
  endsAtMilliseconds: number;
  demand: ResourceAmounts;
}

export interface NodeReservation {
  /** When the work starts at the latest. */
  startsAtMilliseconds: number;
  /** Free at that time when it has started. */
  spare: ResourceAmounts;
}

/** Null when there is never room. O(r log r) for r that run. */
export function reserveOnNode(
  demand: ResourceAmounts,
  node: { nowMilliseconds: number; free: ResourceAmounts; running: readonly EndingWork[] },
): NodeReservation | null {
  const { nowMilliseconds } = node;
  const free: Record<string, number> = { ...node.free };
  const hasRoom = () => Object.entries(demand).every(([resource, amount]) => amountOf(free, resource) >= amount);
  let startsAtMilliseconds = nowMilliseconds;
  let isFound = hasRoom();
  for (const { endsAtMilliseconds, demand: freed } of node.running.toSorted(
    (a, b) => a.endsAtMilliseconds - b.endsAtMilliseconds,
  )) {
    const endsAt = Math.max(nowMilliseconds, endsAtMilliseconds);
    // What else ends at the very time of the start is there for it, too.
    if ((isFound && endsAt > startsAtMilliseconds) || !Number.isFinite(endsAt)) break;
    for (const [resource, amount] of Object.entries(freed)) free[resource] = amountOf(free, resource) + amount;
    if (isFound) continue;
    startsAtMilliseconds = endsAt;
    isFound = hasRoom();
  }
  if (!isFound) return null;
  const spare = Object.entries(free).map(([resource, amount]) => [resource, amount - amountOf(demand, resource)]);
  return { startsAtMilliseconds, spare: Object.fromEntries(spare) };
}

/**
 * Whether work may start on a node beside a reservation, without delaying it: it ends by then, or needs only what is spare
 * even then.
 */
export function startsBeside(
  { startsAtMilliseconds, spare }: NodeReservation,
  work: EndingWork,
): 'ends-before' | 'spare' | null {
  if (work.endsAtMilliseconds <= startsAtMilliseconds) return 'ends-before';
  const fits = Object.entries(work.demand).every(([resource, amount]) => amountOf(spare, resource) >= amount);
  return fits ? 'spare' : null;
}
