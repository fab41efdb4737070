/**
 * Replays tasks of a GPU cluster in time: each comes when it was created, is placed as soon as it fits, and gives back
 * what it has when it has run for as long as in the trace. What does not fit waits; whenever something has ended, all that
 * waits is tried again as it came, and what still does not fit holds up nobody.
 */
import {
  Cluster,
  fragmentation,
  GPU_STRIDE,
  type NodeShape,
  type PackingPolicyName,
  type Placement,
  profileOf,
  shapeKey,
  TaskPlacer,
  type TaskShape,
} from '../../packing/index.ts';
import { RandomNumbers } from '../../random-numbers.ts';
import { BinaryHeap } from '../binary-heap.ts';
import { ARRIVAL_STREAM, POLICY_STREAM } from './gpu-replay.ts';

export interface TimedTask extends TaskShape {
  createdAtSeconds: number;
  runSeconds: number;
}

export interface TimedGpuReplay {
  nodes: readonly NodeShape[];
  tasks: readonly TimedTask[];
  policy: PackingPolicyName;
  seed: number;
}

export interface TimedGpuReplayResult {
  /** By task; null for those that fit on no node, not even an empty one. Nodes go by their index in what was given. */
  placements: ({ placement: Placement; startSeconds: number } | null)[];
  /** Of what was free over the time, what was of no use to the tasks of the list; 0 when nothing was free. */
  fragmentationPercent: number;
}

/** Throws `invalid-request` for tasks and nodes that cannot be. The same seed gives the same result. */
export function replayGpuClusterInTime({ nodes, tasks, policy, seed }: TimedGpuReplay): TimedGpuReplayResult {
  const order = Uint32Array.from(nodes.keys());
  new RandomNumbers(seed, ARRIVAL_STREAM).shuffle(order);
  const cluster = new Cluster(Array.from(order, (node) => nodes[node] as NodeShape));
  const profile = profileOf(tasks);
  const placer = new TaskPlacer(policy, { cluster, profile, random: new RandomNumbers(seed, POLICY_STREAM) });
  const meter = new FragmentMeter(cluster, fragmentation(profile, cluster.gpuModelNames));
  const placements: (Placement | null)[] = tasks.map(() => null);
  const starts = new Float64Array(tasks.length);
  const ends = new Float64Array(tasks.length);
  const arrivals = possibleTasks(tasks, cluster);
  const running = new BinaryHeap((left, right) => (ends[left] as number) - (ends[right] as number));
  let waiting: number[] = [];
  let arrived = 0;
  while (arrived < arrivals.length || running.size > 0) {
    const nextArrival = arrivals[arrived];
    const arrivesAt = nextArrival === undefined ? Infinity : (tasks[nextArrival] as TimedTask).createdAtSeconds;
    const now = Math.min(arrivesAt, running.size > 0 ? (ends[running.first] as number) : Infinity);
    meter.advance(now);
    let tried: number[] = [];
    while (running.size > 0 && (ends[running.first] as number) <= now) {
      const ended = running.pop();
      const placement = placements[ended] as Placement;
      cluster.release(placement, tasks[ended] as TimedTask);
      meter.changed(placement.node);
      tried = waiting;
    }
    // Without anything given back, what waited still does not fit.
    const kept = tried === waiting ? [] : waiting;
    tried = [...tried];
    for (; arrived < arrivals.length; arrived += 1) {
      const task = arrivals[arrived] as number;
      if ((tasks[task] as TimedTask).createdAtSeconds > now) break;
      tried.push(task);
    }
    const tooLarge = new Set<string>();
    waiting = kept;
    for (const task of tried) {
      const shape = tasks[task] as TimedTask;
      const key = shapeKey(shape);
      const placement = tooLarge.has(key) ? null : placer.place(shape);
      if (placement === null) {
        tooLarge.add(key);
        waiting.push(task);
        continue;
      }
      meter.changed(placement.node);
      placements[task] = placement;
      starts[task] = now;
      ends[task] = now + shape.runSeconds;
      running.push(task);
    }
  }
  return {
    placements: placements.map((placement, task) => {
      if (placement === null) return null;
      const { node, gpus } = placement;
      return { placement: { node: order[node] as number, gpus }, startSeconds: starts[task] as number };
    }),
    fragmentationPercent: meter.percent,
  };
}

/** In the order of their arrival, without those that an empty cluster has no place for. */
function possibleTasks(tasks: readonly TimedTask[], empty: Cluster): number[] {
  const fits = new Map<string, boolean>();
  const canRun = (shape: TaskShape) => {
    const key = shapeKey(shape);
    const known = fits.get(key) ?? empty.nodes.some((_, node) => empty.fits(node, shape));
    fits.set(key, known);
    return known;
  };
  const createdAt = (task: number) => (tasks[task] as TimedTask).createdAtSeconds;
  return Array.from(tasks.keys())
    .filter((task) => canRun(tasks[task] as TimedTask))
    .sort((one, other) => createdAt(one) - createdAt(other) || one - other);
}

/** Sums free GPUs and fragments over time; looks anew only at nodes that have changed. */
class FragmentMeter {
  readonly #cluster: Cluster;
  readonly #measure: ReturnType<typeof fragmentation>;
  readonly #fragments: Float64Array;
  readonly #free: Float64Array;
  readonly #stale = new Set<number>();
  #nodeFragments = 0;
  #nodeFree = 0;
  #fragmentSeconds = 0;
  #freeSeconds = 0;
  #since: number | null = null;

  constructor(cluster: Cluster, measure: ReturnType<typeof fragmentation>) {
    this.#cluster = cluster;
    this.#measure = measure;
    this.#fragments = new Float64Array(cluster.nodes.length);
    this.#free = new Float64Array(cluster.nodes.length);
    for (const node of cluster.nodes.keys()) this.#stale.add(node);
  }

  changed(node: number): void {
    this.#stale.add(node);
  }

  /** What has changed before now counts from then on. */
  advance(nowSeconds: number): void {
    const { freeCpuMilli, freeGpuMilli, gpuModels } = this.#cluster;
    for (const node of this.#stale) {
      const model = gpuModels[node] as number;
      const free = this.#cluster.freeGpuMilliOf(node);
      const fragments = this.#measure(freeCpuMilli[node] as number, freeGpuMilli, node * GPU_STRIDE, model);
      this.#nodeFree += free - (this.#free[node] as number);
      this.#nodeFragments += fragments - (this.#fragments[node] as number);
      this.#free[node] = free;
      this.#fragments[node] = fragments;
    }
    this.#stale.clear();
    const seconds = nowSeconds - (this.#since ?? nowSeconds);
    this.#since = nowSeconds;
    this.#freeSeconds += this.#nodeFree * seconds;
    this.#fragmentSeconds += this.#nodeFragments * seconds;
  }

  get percent(): number {
    return this.#freeSeconds === 0 ? 0 : (100 * this.#fragmentSeconds) / this.#freeSeconds;
  }
}
