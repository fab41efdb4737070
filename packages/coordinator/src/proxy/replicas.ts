/** Which replicas of a service can take a connection. Pure. */
import { type AttemptState, type HealthReport, oneLine } from '@fog/contract';

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

/** A task that has not ended: a replica that has an attempt, or waits for its next one. */
export interface ServiceTask {
  job: string;
  partition: number;
  /** What a queued one waits for: a node, or the end of its pause after a failure; null of one that is placed. */
  waitsFor: 'node' | 'pause' | null;
  /** Its last failure; null unless there are failures in a row. */
  failure: string | null;
}

/** A replica whose program has a health check is ready once that has said so. */
export function isReady(
  replica: Pick<Replica, 'state' | 'nodeState'> & { health: { status: string } | null },
  hasCheck: boolean,
): boolean {
  if (replica.state !== 'running' || replica.nodeState !== 'connected') return false;
  return replica.health === null ? !hasCheck : replica.health.status === 'healthy';
}

/** In the order in which to try them: `turn` counts the connections so far. */
export function inTurn(ready: readonly Replica[], turn: number): Replica[] {
  const first = ready.length === 0 ? 0 : turn % ready.length;
  return [...ready.slice(first), ...ready.slice(0, first)];
}

/** Of what a replica said of itself. */
const SAID_CHARACTERS = 100;

/** One sentence on replicas none of which is ready; `tasks` has those without an attempt as well. */
export function whyNotReady(replicas: readonly Replica[], tasks: readonly ServiceTask[]): string {
  const attempted = new Set(replicas.map(nameOf));
  const waiting = tasks.filter((task) => !attempted.has(nameOf(task)));
  if (replicas.length + waiting.length === 0) return 'it has none at the moment';
  const counts = new Map<string, number>();
  for (const what of [...replicas.map(conditionOf), ...waiting.map(waitOf)]) {
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${count} ${what}`).join(', ');
}

function nameOf({ job, partition }: Pick<Replica, 'job' | 'partition'>): string {
  return `${job}/${partition}`;
}

function conditionOf({ state, nodeState, health }: Replica): string {
  if (state === 'lost' || nodeState !== 'connected') return 'on a node that is cut off';
  if (state !== 'running') return state;
  if (health === null || health.status === 'healthy') return health?.status ?? 'starting';
  return `${health.status}${health.message === '' ? '' : ` (${oneLine(health.message, SAID_CHARACTERS)})`}`;
}

function waitOf({ waitsFor, failure }: ServiceTask): string {
  if (waitsFor === null) return 'starting';
  if (waitsFor === 'node') return 'waiting for a node';
  return `in its pause after a failure${failure === null ? '' : ` (${oneLine(failure, SAID_CHARACTERS)})`}`;
}
