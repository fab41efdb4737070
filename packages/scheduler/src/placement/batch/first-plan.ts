/** A plan that is there at once: each task goes to the best of a few nodes that have room for it. */
import {
  completionMilliseconds,
  costMicroFog,
  failureRisk,
  latenessMilliseconds,
  workingJoules,
} from '../estimates.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import type { NodeOffer, ObjectiveName, TaskToPlace } from '../model.ts';
import { type Batch, fitsInto, meetsReplica, NOWHERE, suitsNode, useRoom } from './batch.ts';

/**
 * The node of each task, or -1. Running tasks stay where they are. Where the first few nodes have no room, all others are
 * asked, so that a task is left only if nothing had room for it when its turn came.
 */
export function firstPlacement(batch: Batch): Int32Array {
  const { tasks, nodes, order, now } = batch;
  const placement = new Int32Array(tasks.length).fill(NOWHERE);
  const free = batch.free.slice();
  const objective = batch.objectives[0] as ObjectiveName;
  let cursor = 0;
  for (const task of order) {
    const running = batch.runningOn[task] as number;
    if (running !== NOWHERE) {
      placement[task] = running;
      useRoom(batch, task, free, running, -1);
      continue;
    }
    const wanted = tasks[task] as TaskToPlace;
    let best = NOWHERE;
    let bestValue = Infinity;
    let bestLateness = Infinity;
    let found = 0;
    for (let step = 0; step < nodes.length && found < PLACEMENT_LIMITS.firstPlanNodes; step += 1) {
      const node = (cursor + step) % nodes.length;
      const isPossible =
        fitsInto(batch, task, free, node) &&
        suitsNode(batch, task, node) &&
        !meetsReplica(batch, task, node, placement);
      if (!isPossible) continue;
      found += 1;
      const lateness = latenessMilliseconds(wanted, nodes[node] as NodeOffer, now);
      const value = worthOf(objective, wanted, nodes[node] as NodeOffer);
      if (lateness > bestLateness || (lateness === bestLateness && value >= bestValue)) continue;
      best = node;
      bestValue = value;
      bestLateness = lateness;
    }
    if (best === NOWHERE) continue;
    placement[task] = best;
    useRoom(batch, task, free, best, -1);
    // The next task looks at other nodes, so that each is looked at about as often.
    cursor = (cursor + PLACEMENT_LIMITS.firstPlanNodes) % nodes.length;
  }
  return placement;
}

function worthOf(objective: ObjectiveName, task: TaskToPlace, node: NodeOffer): number {
  switch (objective) {
    case 'completionTime':
    case 'fairness':
      return completionMilliseconds(task, node);
    case 'cost':
      return costMicroFog(task, node);
    case 'energy':
      return workingJoules(task, node);
    case 'failureRisk':
      return failureRisk(task, node);
  }
}
