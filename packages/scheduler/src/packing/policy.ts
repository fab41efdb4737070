/** How a placement policy answers; what is placed where follows from it alone. */
import { type Cluster, GPU_STRIDE } from './cluster.ts';
import type { TaskShape } from './shapes.ts';

export interface PackingPolicy {
  /** Whether, of nodes with the same score, the first is taken or any of them with the same probability. */
  ties: 'first' | 'random';
  /** Of a node that the task fits on; higher is better. A function of the node's state and the shape alone. */
  score(node: number, shape: TaskShape): number;
  /** The GPU, by its index on the node, that a task which shares one is put on. One with enough free exists. */
  sharedGpu(node: number, shape: TaskShape): number;
}

/** The one with the least free that suffices; of several, the first. -1 when there is none. */
export function tightestGpu({ freeGpuMilli }: Cluster, node: number, gpuMilli: number): number {
  let tightest = -1;
  let least = Number.POSITIVE_INFINITY;
  for (let gpu = 0; gpu < GPU_STRIDE; gpu += 1) {
    const free = freeGpuMilli[node * GPU_STRIDE + gpu] as number;
    if (free < gpuMilli || free >= least) continue;
    least = free;
    tightest = gpu;
  }
  return tightest;
}
