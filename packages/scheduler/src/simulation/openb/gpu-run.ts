/** Tasks of a GPU cluster under one policy, as a run: in time where the table tells times, else as a cluster that fills. */
import type { NodeShape, PackingPolicyName } from '../../packing/index.ts';
import { gpuMilliOf, WHOLE_GPU_MILLI } from '../../packing/index.ts';
import { unavailable } from '../report/figures.ts';
import { emptyReport, type SimulationReport, type TimedRun } from '../report/report.ts';
import type { LeftOutWork, SimulatedMachine, SimulatedWork } from '../report/simulated-run.ts';
import { replayGpuCluster } from './gpu-replay.ts';
import type { OpenbTask } from './openb-tables.ts';
import { replayGpuClusterInTime, type TimedTask } from './timed-replay.ts';

const MILLI = 1000;

export interface GpuRunOptions {
  nodes: readonly NodeShape[];
  tasks: readonly OpenbTask[];
  policy: PackingPolicyName;
  seed: number;
}

/** Tasks in time. Those that never were placed in the trace are left out. Throws as `replayGpuClusterInTime` does. */
export function runGpuTasks({ nodes, tasks, policy, seed }: GpuRunOptions): TimedRun {
  const timed = tasks.flatMap((task): (TimedTask & { name: string })[] => {
    const { times } = task;
    if (times === null || times.runSeconds === null) return [];
    return [{ ...task, createdAtSeconds: times.createdAtSeconds, runSeconds: times.runSeconds }];
  });
  const { placements, fragmentationPercent } = replayGpuClusterInTime({ nodes, tasks: timed, policy, seed });
  const firstLane = firstLanes(nodes);
  const work = placements.flatMap((found, index): SimulatedWork[] => {
    if (found === null) return [];
    const task = timed[index] as (typeof timed)[number];
    const { node, gpus } = found.placement;
    return [
      {
        name: task.name,
        submittedAtSeconds: task.createdAtSeconds,
        startSeconds: found.startSeconds,
        endSeconds: found.startSeconds + task.runSeconds,
        processors: task.cpuMilli / MILLI,
        memoryMebibytes: task.memoryMebibytes,
        gpus: gpuMilliOf(task) / WHOLE_GPU_MILLI,
        places: gpus.map((gpu) => ({ lane: (firstLane[node] as number) + gpu, milli: task.gpuMilli })),
      },
    ];
  });
  return {
    policy,
    work,
    leftOut: counted([
      ['never placed in the trace', tasks.length - timed.length],
      ['larger than every node', timed.length - work.length],
    ]),
    machine: machineOf(nodes),
    makespanRatio: unavailable('the shortest makespan is only known of workflows'),
    fragmentationPercent,
  };
}

/** The cluster fills up to the load, and nothing ends; so there are no figures of time. Throws as `replayGpuCluster` does. */
export function runGpuFilling(options: GpuRunOptions & { loadRatio: number }): SimulationReport {
  const { policy } = options;
  const filled = replayGpuCluster(options);
  const leftOut = counted([['refused by the full cluster', filled.refusedTasks]]);
  return {
    ...emptyReport({ policy, leftOut }, 'the cluster is filled without times; leave out --load for tasks with times'),
    finished: filled.placedTasks,
    utilisationPercent: {
      processors: filled.processorPercent,
      memory: filled.memoryPercent,
      gpus: filled.allocationPercent,
    },
    fragmentationPercent: filled.fragmentationPercent,
  };
}

export function machineOf(nodes: readonly NodeShape[]): SimulatedMachine {
  const sum = (of: (node: NodeShape) => number) => nodes.reduce((total, node) => total + of(node), 0);
  return {
    processors: sum(({ cpuMilli }) => cpuMilli) / MILLI,
    memoryMebibytes: sum(({ memoryMebibytes }) => memoryMebibytes),
    gpus: sum(({ gpuCount }) => gpuCount),
  };
}

/** By node, the lane of its first GPU in a drawing of all. */
function firstLanes(nodes: readonly NodeShape[]): number[] {
  let lanes = 0;
  return nodes.map(({ gpuCount }) => {
    lanes += gpuCount;
    return lanes - gpuCount;
  });
}

function counted(reasons: readonly (readonly [reason: string, count: number])[]): LeftOutWork[] {
  return reasons.filter(([, count]) => count > 0).map(([reason, count]) => ({ reason, count }));
}
