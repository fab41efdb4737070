/** From options of `fog sim` to the settings of a simulation. */
import { FogError, parseDuration } from '@fog/contract';
import type { NodeShape } from '@fog/scheduler/packing';
import { DEFAULT_NODE_POWER, nodePowerOf, type SimulationSettings } from '@fog/scheduler/simulation';

/** As they were given. */
export interface SimFlags {
  policy?: string[];
  nodes?: number;
  cores?: number;
  nodeList?: string;
  seed: number;
  start?: number;
  jobs?: number;
  load?: number;
  agingBound: string;
  power?: string;
  gpuWatts?: string;
  slicePrice: number;
  gantt?: string;
}

/** Throws `invalid-request` for watts that are none, and what `parseDuration` and `nodePowerOf` throw. */
export function simulationSettings(flags: SimFlags, nodeList: readonly NodeShape[] | null): SimulationSettings {
  return {
    policies: flags.policy ?? [],
    nodes: flags.nodes ?? null,
    coresPerNode: flags.cores ?? null,
    nodeList,
    seed: flags.seed,
    start: flags.start ?? null,
    jobs: flags.jobs ?? null,
    loadRatio: flags.load ?? null,
    agingBoundSeconds: parseDuration(flags.agingBound) / 1000,
    power: {
      node: nodePowerOf(flags.power ?? DEFAULT_NODE_POWER),
      gpu: flags.gpuWatts === undefined ? null : gpuWatts(flags.gpuWatts),
    },
    slicePriceMicroFog: flags.slicePrice,
  };
}

function gpuWatts(text: string): { idleWatts: number; busyWatts: number } {
  const [, idle, busy] = /^(\d{1,6}(?:\.\d+)?):(\d{1,6}(?:\.\d+)?)$/.exec(text) ?? [];
  const watts = { idleWatts: Number(idle), busyWatts: Number(busy) };
  if (watts.busyWatts >= watts.idleWatts) return watts;
  throw new FogError('invalid-request', `"${text}" is no power of a GPU`, {
    hint: 'write IDLE:BUSY in watts, such as 40:300; busy is not less than idle',
  });
}

/** Of one of several policies: `run.svg` becomes `run-fcfs.svg`. */
export function drawingFile(file: string, policy: string, isOneOfMany: boolean): string {
  if (!isOneOfMany) return file;
  const [, stem = file, ending = ''] = /^(.+?)(\.[^./\\]+)?$/.exec(file) ?? [];
  return `${stem}-${policy}${ending}`;
}
