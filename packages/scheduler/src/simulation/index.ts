/** @fog/scheduler/simulation: replays recorded work through the shipped decisions. Deterministic, without I/O. */
export { SIMULATION_LIMITS } from './limits.ts';
export {
  type QueueReplay,
  type QueueSimulation,
  type SimulatedDecision,
  type SimulatedJob,
  simulateQueue,
} from './queue-simulation.ts';
export {
  COMPATIBLE_ORDERS,
  type CompatibleOrder,
  compatiblePolicy,
  evenStarts,
  type ReplayMetrics,
  RLSCHEDULER_PROTOCOL,
  replayableJobs,
  replaySequence,
} from './rlscheduler-protocol.ts';
export { parseSwf, type SwfJob, type SwfLog } from './swf.ts';
