/** Which spot attempts give up their places for tasks that find no room. Pure. */
import type { AttemptName, Capacity } from '@fog/contract';
import { attemptKey } from '@fog/contract';
import { chooseSpotVictims, lostProcessorSeconds } from '@fog/scheduler/queueing';
import type { Needs } from './requirements.ts';

export interface SpotAttempt {
  name: AttemptName;
  needs: Needs;
  /** Since when its work would be lost: its start, or its last checkpoint; null while nothing has been done. */
  safeAt: number | null;
}

/** A node that suits. */
export interface SpotNode {
  id: string;
  /** Once all that was told to leave has left, and all for whom room is kept have come; may be below 0. */
  free: Capacity;
  spot: readonly SpotAttempt[];
}

export interface Room {
  node: string;
  /** None where what leaves already makes room enough. */
  victims: AttemptName[];
}

/**
 * Rooms for up to `most` tasks with these needs, one after another: each on the node where it costs the least lost work.
 * Fewer where there is no more to be had.
 */
export function roomsFor(needs: Needs, most: number, nodes: readonly SpotNode[], nowMilliseconds: number): Room[] {
  const wanted = amountsOf(needs);
  const names = new Map(nodes.flatMap(({ spot }) => spot.map(({ name }) => [attemptKey(name), name])));
  const left = nodes.map(({ id, free, spot }) => ({
    id,
    free: { slots: free.slots, milliCpu: free.milliCpu, memoryBytes: free.memoryBytes, diskBytes: free.diskBytes },
    spot: spot.map((attempt) => spotWork(attempt, nowMilliseconds)),
  }));
  const rooms: Room[] = [];
  while (rooms.length < most) {
    const choice = chooseSpotVictims(wanted, left);
    const node = left.find(({ id }) => id === choice?.nodeId);
    if (choice === null || node === undefined) break;
    const gone = new Set(choice.victims);
    for (const { demand } of node.spot.filter(({ id }) => gone.has(id))) add(node.free, demand, 1);
    add(node.free, wanted, -1);
    node.spot = node.spot.filter(({ id }) => !gone.has(id));
    rooms.push({ node: node.id, victims: choice.victims.map((id) => names.get(id) as AttemptName) });
  }
  return rooms;
}

function spotWork({ name, needs, safeAt }: SpotAttempt, nowMilliseconds: number) {
  const work = { processors: needs.milliCpu / 1000, safeAtSeconds: (safeAt ?? nowMilliseconds) / 1000 };
  return {
    id: attemptKey(name),
    demand: amountsOf(needs),
    lostProcessorSeconds: lostProcessorSeconds(work, nowMilliseconds / 1000),
  };
}

function amountsOf({ milliCpu, memoryBytes, diskBytes }: Needs): Capacity {
  return { slots: 1, milliCpu, memoryBytes, diskBytes };
}

function add(free: Capacity, amounts: Capacity, sign: 1 | -1): void {
  for (const key of ['slots', 'milliCpu', 'memoryBytes', 'diskBytes'] as const) free[key] += sign * amounts[key];
}
