/** What is free on each node of a cluster. */
import { FogError } from '@fog/contract';
import { PACKING_LIMITS } from './limits.ts';
import {
  assertNodeShape,
  assertTaskShape,
  gpuMilliOf,
  isSharedGpu,
  type NodeShape,
  type TaskShape,
  WHOLE_GPU_MILLI,
} from './shapes.ts';

/** GPUs of the node `n` are at `n * GPU_STRIDE` and after it. */
export const GPU_STRIDE: number = PACKING_LIMITS.gpusPerNode;

/** Kinds of demand for GPUs: shares of one, then 1, 2, ... whole ones. */
const KIND_STRIDE = PACKING_LIMITS.gpusPerNode + 1;

export interface Placement {
  node: number;
  /** Indices on the node, rising; empty for a task without GPUs. */
  gpus: number[];
}

/** How many nodes cannot take a task, by what they lack; a node that lacks several things counts for each. */
export interface Obstacles {
  cpu: number;
  memory: number;
  gpu: number;
  gpuModel: number;
}

/**
 * Nodes go by their index in the list they were given in. `freeGpuMilli` is 0 where a node has no GPU. Only `take` and
 * `release` change anything; each raises the version of its node.
 */
export class Cluster {
  readonly nodes: readonly NodeShape[];
  readonly freeCpuMilli: Float64Array;
  readonly freeMemoryMebibytes: Float64Array;
  readonly freeGpuMilli: Int32Array;
  readonly versions: Uint32Array;
  /** Names of the models of GPUs, each once; `gpuModels` holds indices into it. */
  readonly gpuModelNames: readonly string[];
  readonly gpuModels: Uint8Array;
  /** Thousandths, in use and in all. */
  allocatedGpuMilli = 0;
  readonly totalGpuMilli: number;
  readonly #tasksOfKind: Uint32Array;
  readonly #kindsOnNode: Uint8Array;

  /** Throws `invalid-request` for impossible nodes, and for more nodes or models than the limits allow. */
  constructor(nodes: readonly NodeShape[]) {
    const { clusterNodes, gpuModels } = PACKING_LIMITS;
    if (nodes.length > clusterNodes) {
      throw new FogError('invalid-request', `a cluster of ${nodes.length} nodes`, {
        hint: `split it into clusters of at most ${clusterNodes}`,
      });
    }
    nodes.forEach(assertNodeShape);
    this.nodes = nodes;
    this.gpuModelNames = [...new Set(nodes.map(({ gpuModel }) => gpuModel))];
    if (this.gpuModelNames.length > gpuModels) {
      throw new FogError('invalid-request', `a cluster of ${this.gpuModelNames.length} models of GPUs`, {
        hint: `split it into clusters of at most ${gpuModels}`,
      });
    }
    this.gpuModels = Uint8Array.from(nodes, ({ gpuModel }) => this.gpuModelNames.indexOf(gpuModel));
    this.freeCpuMilli = Float64Array.from(nodes, ({ cpuMilli }) => cpuMilli);
    this.freeMemoryMebibytes = Float64Array.from(nodes, ({ memoryMebibytes }) => memoryMebibytes);
    this.freeGpuMilli = new Int32Array(nodes.length * GPU_STRIDE);
    for (const [node, { gpuCount }] of nodes.entries()) {
      this.freeGpuMilli.fill(WHOLE_GPU_MILLI, node * GPU_STRIDE, node * GPU_STRIDE + gpuCount);
    }
    this.totalGpuMilli = nodes.reduce((sum, { gpuCount }) => sum + gpuCount * WHOLE_GPU_MILLI, 0);
    this.versions = new Uint32Array(nodes.length).fill(1);
    this.#tasksOfKind = new Uint32Array(nodes.length * KIND_STRIDE);
    this.#kindsOnNode = new Uint8Array(nodes.length);
  }

  fits(node: number, { cpuMilli, memoryMebibytes, gpuCount, gpuMilli, gpuModels }: TaskShape): boolean {
    if ((this.freeCpuMilli[node] as number) < cpuMilli) return false;
    if ((this.freeMemoryMebibytes[node] as number) < memoryMebibytes) return false;
    if (gpuCount === 0) return true;
    return this.#hasModel(node, gpuModels) && this.#hasGpus(node, gpuCount, gpuMilli);
  }

  freeGpuMilliOf(node: number): number {
    let sum = 0;
    for (let at = node * GPU_STRIDE; at < (node + 1) * GPU_STRIDE; at += 1) sum += this.freeGpuMilli[at] as number;
    return sum;
  }

  /** Whether a task with the same kind of demand runs there: a share of a GPU, or as many whole ones. */
  hasKind(node: number, shape: TaskShape): boolean {
    return (this.#tasksOfKind[node * KIND_STRIDE + kindOf(shape)] as number) > 0;
  }

  /** How many kinds of demand for GPUs run there. */
  kindsOn(node: number): number {
    return this.#kindsOnNode[node] as number;
  }

  /** The first GPUs of a node that nothing runs on, as many as the task takes; fewer when there are fewer. */
  wholeGpus(node: number, gpuCount: number): number[] {
    const gpus: number[] = [];
    for (let gpu = 0; gpu < GPU_STRIDE && gpus.length < gpuCount; gpu += 1) {
      if (this.freeGpuMilli[node * GPU_STRIDE + gpu] === WHOLE_GPU_MILLI) gpus.push(gpu);
    }
    return gpus;
  }

  /**
   * Throws `conflict` when the node does not have it (any more), and changes nothing then; `invalid-request` for a shape
   * that cannot be.
   */
  take({ node, gpus }: Placement, shape: TaskShape): void {
    assertTaskShape(shape);
    const at = (gpu: number) => node * GPU_STRIDE + gpu;
    const isGiven =
      gpus.length === shape.gpuCount &&
      new Set(gpus).size === gpus.length &&
      gpus.every((gpu) => gpu >= 0 && gpu < GPU_STRIDE && (this.freeGpuMilli[at(gpu)] as number) >= shape.gpuMilli);
    if (this.nodes[node] === undefined || !isGiven || !this.fits(node, shape)) {
      throw new FogError('conflict', `node ${node} does not have free what the task takes`, {
        details: { node, gpus },
        hint: 'place the task anew: the node has changed since',
      });
    }
    this.#change(node, gpus, shape, 1);
  }

  /** Gives back what `take` took. Throws `conflict` when that is more than is in use; `invalid-request` as `take`. */
  release({ node, gpus }: Placement, shape: TaskShape): void {
    assertTaskShape(shape);
    const { cpuMilli = 0, memoryMebibytes = 0, gpuCount = 0 } = this.nodes[node] ?? {};
    const free = (gpu: number) => this.freeGpuMilli[node * GPU_STRIDE + gpu] as number;
    const isInUse =
      (this.freeCpuMilli[node] as number) + shape.cpuMilli <= cpuMilli &&
      (this.freeMemoryMebibytes[node] as number) + shape.memoryMebibytes <= memoryMebibytes &&
      gpus.length === shape.gpuCount &&
      (gpus.length === 0 || this.hasKind(node, shape)) &&
      gpus.every((gpu) => gpu >= 0 && gpu < gpuCount && free(gpu) + shape.gpuMilli <= WHOLE_GPU_MILLI);
    if (!isInUse) {
      throw new FogError('conflict', `node ${node} has not given out what the task gives back`, {
        details: { node, gpus },
        hint: 'release a placement once, with the shape it was taken with',
      });
    }
    this.#change(node, gpus, shape, -1);
  }

  /** Why a task fits nowhere; all zero for an empty cluster. */
  obstacles(shape: TaskShape): Obstacles {
    const counts: Obstacles = { cpu: 0, memory: 0, gpu: 0, gpuModel: 0 };
    for (let node = 0; node < this.nodes.length; node += 1) {
      if ((this.freeCpuMilli[node] as number) < shape.cpuMilli) counts.cpu += 1;
      if ((this.freeMemoryMebibytes[node] as number) < shape.memoryMebibytes) counts.memory += 1;
      if (shape.gpuCount === 0) continue;
      if (!this.#hasGpus(node, shape.gpuCount, shape.gpuMilli)) counts.gpu += 1;
      if (!this.#hasModel(node, shape.gpuModels)) counts.gpuModel += 1;
    }
    return counts;
  }

  #hasModel(node: number, models: readonly string[]): boolean {
    return models.length === 0 || models.includes((this.nodes[node] as NodeShape).gpuModel);
  }

  #hasGpus(node: number, gpuCount: number, gpuMilli: number): boolean {
    let missing = gpuCount;
    for (let at = node * GPU_STRIDE; at < (node + 1) * GPU_STRIDE; at += 1) {
      if ((this.freeGpuMilli[at] as number) >= gpuMilli) missing -= 1;
      if (missing === 0) return true;
    }
    return false;
  }

  #change(node: number, gpus: readonly number[], shape: TaskShape, sign: 1 | -1): void {
    this.freeCpuMilli[node] = (this.freeCpuMilli[node] as number) - sign * shape.cpuMilli;
    this.freeMemoryMebibytes[node] = (this.freeMemoryMebibytes[node] as number) - sign * shape.memoryMebibytes;
    for (const gpu of gpus) {
      const at = node * GPU_STRIDE + gpu;
      this.freeGpuMilli[at] = (this.freeGpuMilli[at] as number) - sign * shape.gpuMilli;
    }
    this.allocatedGpuMilli += sign * gpuMilliOf(shape);
    this.versions[node] = (this.versions[node] as number) + 1;
    if (shape.gpuCount === 0) return;
    const kind = node * KIND_STRIDE + kindOf(shape);
    const before = this.#tasksOfKind[kind] as number;
    this.#tasksOfKind[kind] = before + sign;
    if (before === 0 || before + sign === 0) this.#kindsOnNode[node] = (this.#kindsOnNode[node] as number) + sign;
  }
}

function kindOf(shape: TaskShape): number {
  return isSharedGpu(shape) ? 0 : shape.gpuCount;
}
