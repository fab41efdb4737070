/**
 * Policies that look at the node and the task alone. Scores, scales and roundings are those of the simulator published
 * with FGD (hkust-adsl/kubernetes-scheduler-simulator at 8f3d641), so that results can be compared.
 */
import type { RandomNumbers } from '../random-numbers.ts';
import { type Cluster, GPU_STRIDE } from './cluster.ts';
import { type PackingPolicy, tightestGpu } from './policy.ts';
import { gpuMilliOf, type TaskShape, WHOLE_GPU_MILLI } from './shapes.ts';

/** Amounts are put in proportion to a machine of this size, whatever the cluster has. */
const REFERENCE_CPU_MILLI = 128_000;
const REFERENCE_GPU_MILLI = 8000;
const BEST_SCORE = 100;

/** Any node that fits, any GPU that has enough free. */
export function randomPolicy(cluster: Cluster, random: RandomNumbers): PackingPolicy {
  return {
    ties: 'random',
    score: () => 0,
    sharedGpu(node, { gpuMilli }) {
      const fitting: number[] = [];
      for (let gpu = 0; gpu < GPU_STRIDE; gpu += 1) {
        if ((cluster.freeGpuMilli[node * GPU_STRIDE + gpu] as number) >= gpuMilli) fitting.push(gpu);
      }
      return fitting[random.below(fitting.length)] as number;
    },
  };
}

/**
 * Least product of what is free and what is asked for, so that large tasks meet nearly full nodes. (Tetris, SIGCOMM 2014,
 * aligns the other way; the sign is that of the published comparison.)
 */
export function dotProductPolicy(cluster: Cluster): PackingPolicy {
  return withTightestGpu(cluster, (node, shape) => {
    const cpu = (freeCpu(cluster, node) / REFERENCE_CPU_MILLI) * (shape.cpuMilli / REFERENCE_CPU_MILLI);
    const gpu = (cluster.freeGpuMilliOf(node) / REFERENCE_GPU_MILLI) * (gpuMilliOf(shape) / REFERENCE_GPU_MILLI);
    return Math.trunc(BEST_SCORE * (1 - (cpu + gpu) / 2));
  });
}

/** Least left over, cores and GPUs weighing the same. */
export function bestFitPolicy(cluster: Cluster): PackingPolicy {
  return withTightestGpu(cluster, (node, shape) => {
    const cpu = (freeCpu(cluster, node) - shape.cpuMilli) / REFERENCE_CPU_MILLI;
    const gpu = (cluster.freeGpuMilliOf(node) - gpuMilliOf(shape)) / REFERENCE_GPU_MILLI;
    return Math.trunc(BEST_SCORE * (1 - (cpu * 0.5 + gpu * 0.5)));
  });
}

/** Tasks with the same kind of demand together; then empty nodes; then what is fullest. */
export function gpuClusteringPolicy(cluster: Cluster): PackingPolicy {
  const quarter = BEST_SCORE / 4;
  return withTightestGpu(cluster, (node, shape) => {
    if (shape.gpuCount === 0) return 0;
    const used = REFERENCE_GPU_MILLI - cluster.freeGpuMilliOf(node);
    const fullness = Math.trunc((quarter * used) / REFERENCE_GPU_MILLI);
    const kinds = cluster.kindsOn(node);
    if (cluster.hasKind(node, shape)) return fullness + (kinds === 1 ? 3 * quarter : 2 * quarter);
    return kinds === 0 ? fullness + quarter : fullness;
  });
}

/** GPUs that are shared already, then free GPUs of nodes in use, then nodes without use of GPUs. */
export function gpuPackingPolicy(cluster: Cluster): PackingPolicy {
  const half = BEST_SCORE / 2;
  const third = Math.trunc(BEST_SCORE / 3);
  return withTightestGpu(cluster, (node, shape) => {
    if (shape.gpuCount === 0) return 0;
    const offset = node * GPU_STRIDE;
    const { gpuCount } = cluster.nodes[node] as { gpuCount: number };
    const free = Array.from(cluster.freeGpuMilli.subarray(offset, offset + gpuCount)).sort((a, b) => a - b);
    const whole = free.filter((milli) => milli === WHOLE_GPU_MILLI).length;
    if (whole === gpuCount) return Math.max(third - whole, whole);
    const taken = free.filter((milli) => milli >= shape.gpuMilli).slice(0, shape.gpuCount);
    const wholeTaken = taken.filter((milli) => milli === WHOLE_GPU_MILLI).length;
    if (wholeTaken > 0) return Math.max(half - wholeTaken, third);
    const percent = taken.reduce((sum, milli) => sum + Math.trunc((milli * 100) / WHOLE_GPU_MILLI), 0);
    return Math.max(BEST_SCORE - Math.trunc(percent / 10), half);
  });
}

function withTightestGpu(cluster: Cluster, score: (node: number, shape: TaskShape) => number): PackingPolicy {
  return { ties: 'first', score, sharedGpu: (node, { gpuMilli }) => tightestGpu(cluster, node, gpuMilli) };
}

function freeCpu({ freeCpuMilli }: Cluster, node: number): number {
  return freeCpuMilli[node] as number;
}
