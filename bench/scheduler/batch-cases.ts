/** Batches of other makes than the one that the aims are set for, and what all of them must keep. */
import type { NodeOffer, ObjectiveName, TaskToPlace } from '../../packages/scheduler/src/placement/index.ts';
import { RandomNumbers } from '../../packages/scheduler/src/random-numbers.ts';
import { type PlacementInstance, placementInstance } from './placement-instance.ts';

export const BATCH_OBJECTIVES: readonly ObjectiveName[] = ['completionTime', 'cost', 'failureRisk'];

export interface BatchCase {
  name: string;
  instance: PlacementInstance;
  objectives: readonly ObjectiveName[];
}

/** Each of 1,000 tasks and 500 nodes. */
export function otherBatchCases(): BatchCase[] {
  const drawn = (seed: number) => placementInstance(1000, 500, seed);
  return [
    { name: 'otherSeed', instance: drawn(2), objectives: BATCH_OBJECTIVES },
    { name: 'tight', instance: tightened(drawn(3)), objectives: BATCH_OBJECTIVES },
    { name: 'shortTasks', instance: withRunTimes(drawn(4), 0.02), objectives: BATCH_OBJECTIVES },
    { name: 'longTasks', instance: withRunTimes(drawn(5), 20), objectives: BATCH_OBJECTIVES },
    { name: 'distinctNeeds', instance: withDistinctNeeds(drawn(6)), objectives: BATCH_OBJECTIVES },
    { name: 'fourObjectives', instance: drawn(7), objectives: ['completionTime', 'cost', 'energy', 'fairness'] },
  ];
}

/** Of each node a third of what it has: about as much as the tasks need. */
function tightened({ tasks, nodes }: PlacementInstance): PlacementInstance {
  const third = (amount: number) => Math.floor(amount / 3);
  return {
    tasks,
    nodes: nodes.map((node): NodeOffer => {
      const { milliCpu, memoryBytes, others } = node.free;
      return { ...node, free: { milliCpu: third(milliCpu), memoryBytes: third(memoryBytes), others } };
    }),
  };
}

function withRunTimes({ tasks, nodes }: PlacementInstance, factor: number): PlacementInstance {
  return {
    nodes,
    tasks: tasks.map((task) => ({ ...task, expectedRunMilliseconds: factor * task.expectedRunMilliseconds })),
  };
}

/** No two tasks need the same memory. */
export function withDistinctNeeds({ tasks, nodes }: PlacementInstance): PlacementInstance {
  const random = new RandomNumbers(1);
  return {
    nodes,
    tasks: tasks.map((task): TaskToPlace => {
      const { milliCpu, memoryBytes, others } = task.needs;
      return { ...task, needs: { milliCpu, memoryBytes: Math.floor(memoryBytes * (0.5 + random.unit())), others } };
    }),
  };
}

/** Nodes that any of the plans gives more than they have free. */
export function exceededNodes(
  { tasks, nodes }: PlacementInstance,
  plans: readonly { assignments: readonly { task: string; node: string }[] }[],
) {
  const needs = new Map(tasks.map((task) => [task.id, task.needs]));
  let exceeded = 0;
  for (const { assignments } of plans) {
    for (const { id, free } of nodes) {
      const held = assignments.flatMap(({ task, node }) => (node === id ? (needs.get(task) ?? []) : []));
      const sumOf = (of: (each: (typeof held)[number]) => number) => held.reduce((sum, each) => sum + of(each), 0);
      const isWithin =
        sumOf(({ milliCpu }) => milliCpu) <= free.milliCpu &&
        sumOf(({ memoryBytes }) => memoryBytes) <= free.memoryBytes &&
        Object.entries(free.others).every(([name, amount]) => sumOf(({ others }) => others[name] ?? 0) <= amount);
      if (!isWithin) exceeded += 1;
    }
  }
  return exceeded;
}
