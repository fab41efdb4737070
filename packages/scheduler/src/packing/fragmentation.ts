/**
 * How much of a node's free GPUs is of no use to the tasks that are expected.
 *
 * `fragmentation` is that of FGD (Weng et al., "Beware of fragmentation: scheduling GPU-sharing workloads with
 * fragmentation gradient descent", USENIX ATC 2023): for each expected shape what it cannot use, weighted by how often it
 * comes. Everything, when the shape does not fit or needs no GPU; else the GPUs that have less free than it takes.
 *
 * `shortfall` asks for more than one task: how much would stay free if the node were filled with copies of one shape.
 * So it sees that cores will run out long before they have.
 */
import { GPU_STRIDE } from './cluster.ts';
import { WHOLE_GPU_MILLI } from './shapes.ts';
import type { WorkloadProfile } from './workload-profile.ts';

/** Of a node with `freeCpuMilli` and the GPUs at `offset` of `freeGpuMilli`. In thousandths of a GPU. */
export type NodeMeasure = (freeCpuMilli: number, freeGpuMilli: Int32Array, offset: number, gpuModel: number) => number;

/** Expected shapes that ask the same of GPUs, by rising need of cores. */
interface GpuClass {
  gpuCount: number;
  gpuMilli: number;
  /** By index of the model: whether it may run there. */
  isAccepted: Uint8Array;
  cpuMilli: Float64Array;
  share: Float64Array;
  /** Shares of this shape and of those before it. */
  shareUpTo: Float64Array;
}

function gpuClasses(profile: WorkloadProfile, gpuModelNames: readonly string[]): GpuClass[] {
  const groups = new Map<
    string,
    { shape: WorkloadProfile[number]['shape']; members: [cpu: number, share: number][] }
  >();
  for (const { shape, share } of profile) {
    if (shape.gpuCount === 0) continue;
    const key = `${shape.gpuCount} ${shape.gpuMilli} ${shape.gpuModels.join('|')}`;
    const group = groups.get(key) ?? { shape, members: [] };
    group.members.push([shape.cpuMilli, share]);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ shape: { gpuCount, gpuMilli, gpuModels }, members }) => {
    members.sort((left, right) => left[0] - right[0]);
    let sum = 0;
    return {
      gpuCount,
      gpuMilli,
      isAccepted: Uint8Array.from(gpuModelNames, (name) =>
        gpuModels.length === 0 || gpuModels.includes(name) ? 1 : 0,
      ),
      cpuMilli: Float64Array.from(members, ([cpu]) => cpu),
      share: Float64Array.from(members, ([, share]) => share),
      shareUpTo: Float64Array.from(members, ([, share]) => {
        sum += share;
        return sum;
      }),
    };
  });
}

/** `gpuModelNames` is that of the cluster the measure is for. */
export function fragmentation(profile: WorkloadProfile, gpuModelNames: readonly string[]): NodeMeasure {
  const classes = gpuClasses(profile, gpuModelNames);
  const whole = profile.reduce((sum, { share }) => sum + share, 0);
  return (freeCpuMilli, freeGpuMilli, offset, gpuModel) => {
    const total = sumAt(freeGpuMilli, offset);
    if (total === 0) return 0;
    let fragment = whole * total;
    for (const { gpuCount, gpuMilli, isAccepted, cpuMilli, shareUpTo } of classes) {
      if (isAccepted[gpuModel] === 0) continue;
      let fitting = 0;
      let tooSmall = 0;
      for (let at = offset; at < offset + GPU_STRIDE; at += 1) {
        const free = freeGpuMilli[at] as number;
        if (free >= gpuMilli) fitting += 1;
        else tooSmall += free;
      }
      if (fitting < gpuCount) continue;
      let last = -1;
      while (last + 1 < cpuMilli.length && (cpuMilli[last + 1] as number) <= freeCpuMilli) last += 1;
      if (last >= 0) fragment -= (shareUpTo[last] as number) * (total - tooSmall);
    }
    return fragment;
  };
}

/** `gpuModelNames` is that of the cluster the measure is for. Shapes without GPUs are not looked at. */
export function shortfall(profile: WorkloadProfile, gpuModelNames: readonly string[]): NodeMeasure {
  const classes = gpuClasses(profile, gpuModelNames);
  const withGpus = classes.reduce((sum, { shareUpTo }) => sum + (shareUpTo.at(-1) as number), 0);
  return (freeCpuMilli, freeGpuMilli, offset, gpuModel) => {
    const total = sumAt(freeGpuMilli, offset);
    if (total === 0 || withGpus === 0) return 0;
    let filled = 0;
    for (const { gpuCount, gpuMilli, isAccepted, cpuMilli, share } of classes) {
      if (isAccepted[gpuModel] === 0) continue;
      const most = copiesByGpus(freeGpuMilli, offset, gpuCount, gpuMilli);
      if (most === 0) continue;
      let copies = 0;
      for (let index = 0; index < cpuMilli.length && (cpuMilli[index] as number) <= freeCpuMilli; index += 1) {
        const needed = cpuMilli[index] as number;
        copies += (share[index] as number) * (needed === 0 ? most : Math.min(most, Math.floor(freeCpuMilli / needed)));
      }
      filled += copies * gpuCount * gpuMilli;
    }
    return total - filled / withGpus;
  };
}

function copiesByGpus(freeGpuMilli: Int32Array, offset: number, gpuCount: number, gpuMilli: number): number {
  let copies = 0;
  for (let at = offset; at < offset + GPU_STRIDE; at += 1) {
    const free = freeGpuMilli[at] as number;
    if (gpuMilli === WHOLE_GPU_MILLI) copies += free === WHOLE_GPU_MILLI ? 1 : 0;
    else copies += Math.floor(free / gpuMilli);
  }
  return Math.floor(copies / gpuCount);
}

function sumAt(freeGpuMilli: Int32Array, offset: number): number {
  let sum = 0;
  for (let at = offset; at < offset + GPU_STRIDE; at += 1) sum += freeGpuMilli[at] as number;
  return sum;
}
