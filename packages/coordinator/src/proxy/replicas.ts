/** Which replicas of a service can take a connection. Pure. */
import type { AttemptState, HealthReport } from '@fog/contract';

export interface Replica {
  /** Of a deployment they are of several, while it is updated. */
  job: string;
  partition: number;
  fence: number;
  state: AttemptState;
  node: string;
  /** Null when the node was removed. */
  nodeState: string | null;
  health: HealthReport | null;
  /** That holds the link of the node. */
  coordinator: { id: string; url: string } | null;
}

/** A replica whose program has a health check is ready once that has said so. */
export function isReady(replica: Replica, hasCheck: boolean): boolean {
  if (replica.state !== 'running' || replica.nodeState !== 'connected') return false;
  return replica.health === null ? !hasCheck : replica.health.status === 'healthy';
}

/** In the order in which to try them: `turn` counts the connections so far. */
export function inTurn(ready: readonly Replica[], turn: number): Replica[] {
  const first = ready.length === 0 ? 0 : turn % ready.length;
  return [...ready.slice(first), ...ready.slice(0, first)];
}

/** One sentence on replicas none of which is ready. */
export function whyNotReady(replicas: readonly Replica[]): string {
  if (replicas.length === 0) return 'waiting for a node';
  const counts = new Map<string, number>();
  for (const replica of replicas) {
    const what = conditionOf(replica);
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${count} ${what}`).join(', ');
}

function conditionOf({ state, nodeState, health }: Replica): string {
  if (state === 'lost' || nodeState !== 'connected') return 'on a node that is cut off';
  if (state !== 'running') return state;
  const why = health?.status === 'unhealthy' && health.message !== '' ? ` (${health.message})` : '';
  return `${health?.status ?? 'starting'}${why}`;
}
