/** Whether a leased attempt is taken. Pure. */
import {
  type Capacity,
  isLongRunning,
  type JobSpec,
  type LeaseGroup,
  type NodeDescription,
  parseBytes,
  parseCpu,
  parseDuration,
  policyIncludes,
} from '@fog/contract';
import type { AttemptLimits } from '@fog/runtimes';
import { AGENT_LIMITS } from './limits.ts';

/** What one attempt of a job needs, in numbers. */
export interface Demand {
  /** 1; 0 once it has run and only waits to be asked for its result. */
  slots: number;
  milliCpu: number;
  memoryBytes: number;
  diskBytes: number;
  /** Processes and threads at a time. */
  processes: number;
  /** Infinity for what is to be kept running. */
  runMilliseconds: number;
  /** Longest time between two progress reports; null is any. */
  heartbeatMilliseconds: number | null;
  stopWithoutContactMilliseconds: number;
}

export function demandOf(job: JobSpec): Demand {
  const { spec } = job;
  const { resources } = spec.task;
  const { attempt, heartbeat } = spec.timeouts;
  return {
    slots: 1,
    milliCpu: parseCpu(resources.cpu),
    memoryBytes: parseBytes(resources.memory),
    diskBytes: parseBytes(resources.disk),
    processes: resources.pids,
    runMilliseconds: isLongRunning(job) ? Number.POSITIVE_INFINITY : parseDuration(attempt),
    heartbeatMilliseconds: heartbeat === undefined || isLongRunning(job) ? null : parseDuration(heartbeat),
    stopWithoutContactMilliseconds: parseDuration(spec.disconnect.stopOnNodeAfter),
  };
}

/** What an attempt still takes up when it has run and keeps its outputs until it is asked for them. */
export function demandOfOutputs(demand: Demand): Demand {
  return { ...demand, slots: 0, milliCpu: 0, memoryBytes: 0 };
}

export function limitsOf(demand: Demand): AttemptLimits {
  const { memoryBytes, diskBytes, runMilliseconds, milliCpu, processes } = demand;
  return { memoryBytes, diskBytes, runMilliseconds, milliCpu, processes, files: AGENT_LIMITS.attemptFiles };
}

/** Sum of what attempts use. */
export interface Load {
  slots: number;
  milliCpu: number;
  memoryBytes: number;
  diskBytes: number;
}

export const NO_LOAD: Load = { slots: 0, milliCpu: 0, memoryBytes: 0, diskBytes: 0 };

export function addLoad(load: Load, demand: Demand, sign: 1 | -1 = 1): Load {
  return {
    slots: load.slots + sign * demand.slots,
    milliCpu: load.milliCpu + sign * demand.milliCpu,
    memoryBytes: load.memoryBytes + sign * demand.memoryBytes,
    diskBytes: load.diskBytes + sign * demand.diskBytes,
  };
}

/** Why another attempt does not fit, or null. */
export function overload(capacity: Capacity, load: Load, demand: Demand): string | null {
  const sum = addLoad(load, demand);
  if (sum.slots > capacity.slots) return `no slot of ${capacity.slots} is free`;
  for (const [what, name] of [
    ['milliCpu', 'thousandths of a processor'],
    ['memoryBytes', 'bytes of memory'],
    ['diskBytes', 'bytes of disk'],
  ] as const) {
    if (sum[what] > capacity[what]) {
      return `it needs ${demand[what]} ${name}, ${Math.max(0, capacity[what] - load[what])} of ${capacity[what]} are free`;
    }
  }
  return null;
}

export interface AdmissionQuestion {
  group: Pick<LeaseGroup, 'submitter' | 'spec'>;
  demand: Demand;
  node: Pick<NodeDescription, 'policy' | 'runtimes'>;
  capacity: Capacity;
  /** Of all attempts that will go on. */
  load: Load;
  isDraining: boolean;
  /** Attempts that wait to be asked for their result. */
  committed: number;
  /** What the runtime says. */
  refusal(): string | null;
}

/** Why the attempt is declined, or null. */
export function declineReason({
  group,
  demand,
  node,
  capacity,
  load,
  isDraining,
  committed,
  refusal,
}: AdmissionQuestion): string | null {
  if (isDraining) return 'the node is draining';
  if (committed >= AGENT_LIMITS.committedAttempts)
    return `the node keeps ${committed} results that nobody has asked for yet`;
  if (!policyIncludes(node.policy.accept, group.submitter)) {
    return `the owner of this node does not run jobs of "${group.submitter}"`;
  }
  const name = group.spec.spec.task.runtime;
  const probe = node.runtimes[name];
  if (probe === undefined) return `this node has no runtime "${name}"`;
  if (!probe.available) return `runtime "${name}" is not available: ${probe.reason}`;
  return refusal() ?? overload(capacity, load, demand);
}
