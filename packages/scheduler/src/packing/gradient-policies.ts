/** Policies that place a task where it does least harm to those that are expected after it. */
import { type Cluster, GPU_STRIDE } from './cluster.ts';
import { fragmentation, type NodeMeasure, shortfall } from './fragmentation.ts';
import type { PackingPolicy } from './policy.ts';
import { remnantValues } from './remnant-values.ts';
import { isSharedGpu, type TaskShape } from './shapes.ts';
import type { WorkloadProfile } from './workload-profile.ts';

/** Fragmentation gradient descent as published: 0 to 100, in whole numbers, 50 when nothing gets worse. */
export function fgdPolicy(cluster: Cluster, profile: WorkloadProfile): PackingPolicy {
  const measure = fragmentation(profile, cluster.gpuModelNames);
  return gradientPolicy(cluster, measure, (decrease) => Math.trunc(100 / (1 + Math.exp(-decrease / 1000))));
}

/**
 * Beside fragmentation it counts what FGD does not see: what will never be filled of a GPU that is shared, and that cores
 * run out before GPUs do. The weights bring the three to the same order of size: a shared GPU loses some tens of
 * thousandths for good, a node with many GPUs has hundreds at stake in both others.
 */
const REMNANT_WEIGHT = 10;
const SHORTFALL_WEIGHT = 0.1;
/** Differences of less than this do not decide: then the first node does, and nodes fill up one after the other. */
const SCORE_STEP_MILLI = 10;

/** Our own: least growth of fragmentation, of lost remnants and of shortfall together. */
export function remnantPolicy(cluster: Cluster, profile: WorkloadProfile): PackingPolicy {
  const fragments = fragmentation(profile, cluster.gpuModelNames);
  const missing = shortfall(profile, cluster.gpuModelNames);
  const losses = remnantValues(profile).map((value, free) => free - value);
  const measure: NodeMeasure = (freeCpuMilli, freeGpuMilli, offset, gpuModel) => {
    let lost = 0;
    for (let at = offset; at < offset + GPU_STRIDE; at += 1) lost += losses[freeGpuMilli[at] as number] as number;
    return (
      fragments(freeCpuMilli, freeGpuMilli, offset, gpuModel) +
      REMNANT_WEIGHT * lost +
      SHORTFALL_WEIGHT * missing(freeCpuMilli, freeGpuMilli, offset, gpuModel)
    );
  };
  return gradientPolicy(cluster, measure, (decrease) => Math.floor(decrease / SCORE_STEP_MILLI));
}

function gradientPolicy(
  cluster: Cluster,
  measure: NodeMeasure,
  scoreOf: (decreaseMilli: number) => number,
): PackingPolicy {
  const before = new Float64Array(cluster.nodes.length);
  const measuredVersions = new Uint32Array(cluster.nodes.length);
  const after = new Int32Array(GPU_STRIDE);
  /** Of the last evaluation. */
  let bestGpu = -1;

  function measureNow(node: number): number {
    const version = cluster.versions[node] as number;
    if (measuredVersions[node] !== version) {
      const model = cluster.gpuModels[node] as number;
      before[node] = measure(cluster.freeCpuMilli[node] as number, cluster.freeGpuMilli, node * GPU_STRIDE, model);
      measuredVersions[node] = version;
    }
    return before[node] as number;
  }

  function score(node: number, shape: TaskShape): number {
    const now = measureNow(node);
    const cpuMilli = (cluster.freeCpuMilli[node] as number) - shape.cpuMilli;
    const model = cluster.gpuModels[node] as number;
    const offset = node * GPU_STRIDE;
    for (let gpu = 0; gpu < GPU_STRIDE; gpu += 1) after[gpu] = cluster.freeGpuMilli[offset + gpu] as number;
    bestGpu = -1;
    if (!isSharedGpu(shape)) {
      for (const gpu of cluster.wholeGpus(node, shape.gpuCount)) after[gpu] = 0;
      return scoreOf(now - measure(cpuMilli, after, 0, model));
    }
    let best = Number.NEGATIVE_INFINITY;
    for (let gpu = 0; gpu < GPU_STRIDE; gpu += 1) {
      const free = after[gpu] as number;
      // GPUs with the same free come out the same: the first of them is looked at.
      if (free < shape.gpuMilli || after.indexOf(free) < gpu) continue;
      after[gpu] = free - shape.gpuMilli;
      const found = scoreOf(now - measure(cpuMilli, after, 0, model));
      after[gpu] = free;
      if (found <= best) continue;
      best = found;
      bestGpu = gpu;
    }
    return best;
  }

  return {
    ties: 'first',
    score,
    sharedGpu(node, shape) {
      score(node, shape);
      return bestGpu;
    },
  };
}
