/**
 * @fog/scheduler/simulation: replays recorded work through the shipped decisions. Deterministic, without I/O.
 *
 * `readTrace` recognises what a file holds, `simulateTrace` runs it under several policies and reports the same figures for
 * each; `gantt` draws a run.
 */
export { SIMULATION_LIMITS } from './limits.ts';
export { type LogWindow, type ReplayableLog, replayableLog, runLog } from './log-simulation.ts';
export {
  chosenPolicies,
  POLICY_NAMES,
  queuePolicyOf,
  TRACE_KINDS,
  TRACE_TITLES,
  type TraceKind,
  USUAL_POLICIES,
  WORKFLOW_POLICIES,
  type WorkflowPolicyName,
} from './policy-names.ts';
export {
  type QueueReplay,
  type QueueSimulation,
  type SimulatedDecision,
  type SimulatedJob,
  simulateQueue,
} from './queue-simulation.ts';
export { type Figure, isAvailable, type Unavailable, unavailable } from './report/figures.ts';
export {
  DEFAULT_NODE_POWER,
  NODE_POWERS,
  type NodePower,
  type NodePowerName,
  nodePowerOf,
  type PowerFigures,
} from './report/node-power.ts';
export { reportOf, type SimulationReport, type TimedRun, type WaitFigures } from './report/report.ts';
export type { ServiceLevelFigures } from './report/settlement.ts';
export type { LaneShare, LeftOutWork, SimulatedMachine, SimulatedWork } from './report/simulated-run.ts';
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
export {
  type Simulation,
  type SimulationOutcome,
  type SimulationSettings,
  simulateTrace,
} from './simulation.ts';
export { parseSwf, type SwfJob, type SwfLog } from './swf.ts';
export { readTrace, type Trace } from './trace.ts';
