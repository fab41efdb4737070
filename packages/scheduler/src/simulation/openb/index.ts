/** @fog/scheduler/simulation/openb: traces of GPU clusters, replayed against the shipped packing. Without I/O. */
export { type GpuReplay, type GpuReplayResult, replayGpuCluster } from './gpu-replay.ts';
export { OPENB_LIMITS } from './limits.ts';
export { type OpenbTask, parseOpenbNodes, parseOpenbTasks } from './openb-tables.ts';
