/** Settings and small traces for tests of the simulator. */
import { nodePowerOf, readTrace, type SimulationSettings, type Trace } from '@fog/scheduler/simulation';

export function settings(changes: Partial<SimulationSettings> = {}): SimulationSettings {
  return {
    policies: [],
    nodes: null,
    coresPerNode: null,
    nodeList: null,
    seed: 1,
    start: null,
    jobs: null,
    loadRatio: null,
    agingBoundSeconds: 86_400,
    power: { node: nodePowerOf('proliant-ml110-g5'), gpu: null },
    slicePriceMicroFog: 1000,
    ...changes,
  };
}

export function logText(jobs: readonly [submit: number, run: number, processors: number][], header = '; MaxProcs: 8') {
  const lines = jobs.map(([submit, run, processors], index) =>
    [index + 1, submit, -1, run, processors, -1, -1, processors, run, -1, 1, 1, -1, -1, -1, -1, -1, -1].join(' '),
  );
  return `${header}\n${lines.join('\n')}\n`;
}

export function workflowText(tasks: readonly { id: string; seconds: number; parents?: string[] }[]): string {
  return JSON.stringify({
    schemaVersion: '1.5',
    workflow: {
      specification: { tasks: tasks.map(({ id, parents = [] }) => ({ id, name: id, parents })) },
      execution: { tasks: tasks.map(({ id, seconds }) => ({ id, runtimeInSeconds: seconds })) },
    },
  });
}

export const GPU_NODES = [
  { name: 'n0', cpuMilli: 8000, memoryMebibytes: 1000, gpuCount: 2, gpuModel: 'A' },
  { name: 'n1', cpuMilli: 8000, memoryMebibytes: 1000, gpuCount: 2, gpuModel: 'A' },
];
const GPU_HEAD = 'name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time,scheduled_time';

/** Two tasks on both nodes, a third that has to wait, one that never ran, and one that fits nowhere. */
export const GPU_TASKS = [
  GPU_HEAD,
  'a,1000,10,2,1000,0,100,0',
  'b,1000,10,2,1000,0,50,0',
  'c,1000,10,1,500,10,40,10',
  'never,1000,10,1,500,10,40,',
  'huge,1000,10,3,1000,10,40,10',
  '',
].join('\n');

export const traceOf = (text: string): Trace => readTrace(text, 'the file');
