/** @fog/scheduler/simulation/openb: traces of GPU clusters, replayed against the shipped packing. Without I/O. */
export { type GpuReplay, type GpuReplayResult, replayGpuCluster } from './gpu-replay.ts';
export { runGpuFilling, runGpuTasks } from './gpu-run.ts';
export { OPENB_LIMITS } from './limits.ts';
export { type OpenbTask, type OpenbTimes, parseOpenbNodes, parseOpenbTasks } from './openb-tables.ts';
export {
  replayGpuClusterInTime,
  type TimedGpuReplay,
  type TimedGpuReplayResult,
  type TimedTask,
} from './timed-replay.ts';
