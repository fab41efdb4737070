/**
 * Replays a list of tasks against a cluster that they outgrow: they come one after the other, each is placed at once or
 * not at all, none ends and none is moved. What counts is how much of the GPUs is in use in the end.
 *
 * The protocol is that of the evaluation of FGD (USENIX ATC 2023): tasks in random order, then further ones drawn from the
 * list until their demand reaches the load, or some taken away at random if it was more; nodes in random order, which
 * decides between equal scores.
 */
import { FogError } from '@fog/contract';
import {
  Cluster,
  fragmentation,
  GPU_STRIDE,
  gpuMilliOf,
  type NodeShape,
  type PackingPolicyName,
  profileOf,
  TaskPlacer,
  type TaskShape,
  type WorkloadProfile,
} from '../../packing/index.ts';
import { RandomNumbers } from '../../random-numbers.ts';
import { OPENB_LIMITS } from './limits.ts';

export interface GpuReplay {
  nodes: readonly NodeShape[];
  tasks: readonly TaskShape[];
  policy: PackingPolicyName;
  /** What arrives, in parts of all GPUs. */
  loadRatio: number;
  seed: number;
}

export interface GpuReplayResult {
  /** Of all GPUs, in use when the load had arrived: the mean over its last percent, rounded as the publication does. */
  allocationPercent: number;
  /** Of what was free then, what was of no use to the tasks of the list: fragmentation as FGD defines it. */
  fragmentationPercent: number;
  /** Of all cores and of all memory, in use in the end; 0 of a cluster that has none. */
  processorPercent: number;
  memoryPercent: number;
  placedTasks: number;
  refusedTasks: number;
}

/** One stream of random numbers for what arrives, so that all policies get the same; one for what they draw themselves. */
export const ARRIVAL_STREAM = 0;
export const POLICY_STREAM = 1;

/**
 * Throws `invalid-request` for a list of tasks without demand for GPUs, a cluster without any, a load out of bounds, and
 * for tasks and nodes that cannot be.
 */
export function replayGpuCluster({ nodes, tasks, policy, loadRatio, seed }: GpuReplay): GpuReplayResult {
  const random = new RandomNumbers(seed, ARRIVAL_STREAM);
  const totalGpuMilli = new Cluster(nodes).totalGpuMilli;
  const arrivals = arrivingTasks(tasks, totalGpuMilli * checkedLoad(loadRatio), random);
  const order = Uint32Array.from(nodes.keys());
  random.shuffle(order);
  const cluster = new Cluster(Array.from(order, (node) => nodes[node] as NodeShape));
  const profile = profileOf(tasks);
  const placer = new TaskPlacer(policy, { cluster, profile, random: new RandomNumbers(seed, POLICY_STREAM) });
  const lastPercent = Math.round(100 * loadRatio);
  let arrivedGpuMilli = 0;
  let placedTasks = 0;
  let inLastPercent = 0;
  let allocatedSum = 0;
  for (const index of arrivals) {
    const task = tasks[index] as TaskShape;
    if (placer.place(task) !== null) placedTasks += 1;
    arrivedGpuMilli += gpuMilliOf(task);
    if (Math.round((100 * arrivedGpuMilli) / totalGpuMilli) < lastPercent) continue;
    inLastPercent += 1;
    allocatedSum += cluster.allocatedGpuMilli;
  }
  const allocated = inLastPercent === 0 ? cluster.allocatedGpuMilli : allocatedSum / inLastPercent;
  return {
    allocationPercent: (100 * allocated) / totalGpuMilli,
    fragmentationPercent: fragmentationPercent(cluster, profile),
    processorPercent: usedPercent(nodes, ({ cpuMilli }) => cpuMilli, cluster.freeCpuMilli),
    memoryPercent: usedPercent(nodes, ({ memoryMebibytes }) => memoryMebibytes, cluster.freeMemoryMebibytes),
    placedTasks,
    refusedTasks: arrivals.length - placedTasks,
  };
}

function checkedLoad(loadRatio: number): number {
  if (loadRatio > 0 && loadRatio <= OPENB_LIMITS.loadRatio) return loadRatio;
  throw new FogError('invalid-request', `a load of ${loadRatio} times the cluster`, {
    hint: `the load is more than 0 and at most ${OPENB_LIMITS.loadRatio}`,
  });
}

/** Indices into `tasks`, in the order of their arrival. */
function arrivingTasks(tasks: readonly TaskShape[], targetGpuMilli: number, random: RandomNumbers): number[] {
  let demand = tasks.reduce((sum, task) => sum + gpuMilliOf(task), 0);
  if (demand === 0 || targetGpuMilli === 0) {
    const what = demand === 0 ? 'no task of the list asks for a GPU' : 'no node of the cluster has a GPU';
    throw new FogError('invalid-request', what, { hint: 'replay lists of tasks and nodes with GPUs' });
  }
  const arrivals = Array.from(tasks.keys());
  random.shuffle(arrivals);
  while (demand > targetGpuMilli) {
    const [removed] = arrivals.splice(random.below(arrivals.length), 1);
    demand -= gpuMilliOf(tasks[removed as number] as TaskShape);
  }
  for (;;) {
    const index = random.below(tasks.length);
    const task = tasks[index] as TaskShape;
    // The published protocol looks at one GPU of the task here, though it may take several.
    if (demand + task.gpuMilli > targetGpuMilli) return arrivals;
    demand += gpuMilliOf(task);
    arrivals.push(index);
    if (arrivals.length > OPENB_LIMITS.replayedTasks) {
      throw new FogError('invalid-request', `the load takes more than ${OPENB_LIMITS.replayedTasks} tasks`, {
        hint: 'replay a smaller cluster, a smaller load or larger tasks',
      });
    }
  }
}

function fragmentationPercent(cluster: Cluster, profile: WorkloadProfile): number {
  const measure = fragmentation(profile, cluster.gpuModelNames);
  let free = 0;
  let fragments = 0;
  for (let node = 0; node < cluster.nodes.length; node += 1) {
    const model = cluster.gpuModels[node] as number;
    free += cluster.freeGpuMilliOf(node);
    fragments += measure(cluster.freeCpuMilli[node] as number, cluster.freeGpuMilli, node * GPU_STRIDE, model);
  }
  return free === 0 ? 0 : (100 * fragments) / free;
}

function usedPercent(nodes: readonly NodeShape[], of: (node: NodeShape) => number, free: Float64Array): number {
  const total = nodes.reduce((sum, node) => sum + of(node), 0);
  return total === 0 ? 0 : (100 * (total - free.reduce((sum, amount) => sum + amount, 0))) / total;
}
