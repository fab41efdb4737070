/**
 * What a replica is doing, and since when. Pure.
 *
 *     waiting -> starting -> ready          waiting: for a place; backing-off: for its next attempt after a failure
 *        ^          |          |            starting: leased, running without its health check saying so, or unhealthy
 *        \-- backing-off <-----/
 */
import { type AttemptState, isRecord, type TaskState } from '@fog/contract';

export const REPLICA_CONDITIONS = ['waiting', 'backing-off', 'starting', 'ready'] as const;
export type ReplicaCondition = (typeof REPLICA_CONDITIONS)[number];

export interface Health {
  status: string;
  message: string;
  restarts: number;
}

/** What the store says of a live task of a deployment. */
export interface ReplicaFacts {
  task: TaskState;
  parked: boolean;
  /** The attempt that is at it, else its newest; null before the first. */
  attempt: { fence: number; state: AttemptState; health: Health | null } | null;
}

/** What was found at the last look; stored, so that all coordinators count from the same moment. */
export interface ReplicaMemory {
  /** The attempt and restart it is about: another one is ready anew. */
  run: string;
  condition: ReplicaCondition;
  since: number;
}

export const NEW_REPLICA = { run: '0/0', condition: 'waiting' } as const;

/** The same object when nothing has changed. `hasCheck`: its specification has a health check. */
export function remember(before: ReplicaMemory, facts: ReplicaFacts, hasCheck: boolean, now: number): ReplicaMemory {
  const condition = conditionOf(facts, hasCheck);
  const run = `${facts.attempt?.fence ?? 0}/${facts.attempt?.health?.restarts ?? 0}`;
  // A moment that lies ahead was stored before the clock was set back.
  if (before.condition === condition && before.run === run && before.since <= now) return before;
  return { run, condition, since: now };
}

function conditionOf({ task, parked, attempt }: ReplicaFacts, hasCheck: boolean): ReplicaCondition {
  if (task === 'queued') return parked ? 'backing-off' : 'waiting';
  if (task !== 'running' || attempt?.state !== 'running') return 'starting';
  return hasCheck && attempt.health?.status !== 'healthy' ? 'starting' : 'ready';
}

/** The column as the turn of the dispatcher writes it; what cannot be read tells nothing. */
export function readHealth(text: string | null): Health | null {
  const value: unknown = text === null ? null : JSON.parse(text);
  if (!isRecord(value)) return null;
  const { status, message, restarts } = value;
  return {
    status: typeof status === 'string' ? status : 'starting',
    message: typeof message === 'string' ? message : '',
    restarts: typeof restarts === 'number' ? restarts : 0,
  };
}
