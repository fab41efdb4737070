/** What this machine is and offers. */
import os from 'node:os';
import {
  type AgentFrame,
  type AgentSettings,
  type Capacity,
  FogError,
  LIMITS,
  type NodeOfferTerms,
  nameSchema,
  parseBytes,
} from '@fog/contract';

/** The part of `node:os` and `process` that is read. */
export interface MachineFacts {
  platform: string;
  arch: string;
  hostname: string;
  processors: number;
  memoryBytes: number;
}

export function readMachine(): MachineFacts {
  const limit = process.constrainedMemory();
  const total = os.totalmem();
  return {
    platform: process.platform,
    arch: process.arch,
    hostname: os.hostname(),
    processors: os.availableParallelism(),
    // In a container the limit of its group is what there is; without one the number is zero or larger than memory.
    memoryBytes: limit > 0 && limit < total ? limit : total,
  };
}

/** Name of the node: as set, else the host name, with what names may not contain replaced by dashes. */
export function nodeName(settings: AgentSettings, machine: MachineFacts): string {
  if (settings.name !== undefined) return settings.name;
  const name = machine.hostname
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .slice(0, 63)
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');
  return nameSchema.safeParse(name).success ? name : 'node';
}

/**
 * Labels that constraints match: `os`, `arch`, `cores`, `memory` (whole GiB), `hostname`, and those of the settings,
 * which win. Throws `invalid-configuration` when there are too many or one is too long.
 */
export function nodeLabels(settings: AgentSettings, machine: MachineFacts): Record<string, string> {
  const labels: Record<string, string> = {
    os: machine.platform,
    arch: machine.arch,
    cores: String(machine.processors),
    memory: String(Math.floor(machine.memoryBytes / 2 ** 30)),
    hostname: machine.hostname.slice(0, LIMITS.labelBytes),
    ...settings.labels,
  };
  const isLong = Object.entries(labels).some(
    ([key, value]) => key === '' || Math.max(key.length, value.length) > LIMITS.labelBytes,
  );
  if (isLong || Object.keys(labels).length > LIMITS.labels) {
    throw new FogError(
      'invalid-configuration',
      `agent.labels: at most ${LIMITS.labels} labels of 1 to ${LIMITS.labelBytes} characters`,
    );
  }
  return labels;
}

/** What the owner asks, and what the computer draws. Throws `invalid-configuration` for power that falls with work. */
export function nodeOffer({ price, idleWatts, busyWatts }: AgentSettings): NodeOfferTerms {
  if ((idleWatts === undefined) !== (busyWatts === undefined) || (idleWatts ?? 0) > (busyWatts ?? 0)) {
    throw new FogError('invalid-configuration', 'agent.idleWatts and agent.busyWatts belong together', {
      hint: 'give both, busyWatts at least as much as idleWatts, or neither',
    });
  }
  return {
    pricePerSlice: price,
    ...(idleWatts === undefined || busyWatts === undefined ? {} : { idleWatts, busyWatts }),
  };
}

/** What attempts may use together. */
export function nodeCapacity(settings: AgentSettings, machine: MachineFacts): Capacity {
  const milliCpu = Math.round((settings.cpu ?? machine.processors) * 1000);
  return {
    slots: settings.slots ?? Math.min(4096, machine.processors),
    milliCpu,
    memoryBytes: settings.memory === undefined ? Math.floor(machine.memoryBytes * 0.75) : parseBytes(settings.memory),
    diskBytes: parseBytes(settings.disk),
  };
}

/** Measures between its calls, each call from the one before. */
export function usageMeter(): () => Extract<AgentFrame, { type: 'heartbeat' }> {
  let previous = processorTimes();
  return () => {
    const present = processorTimes();
    const total = present.total - previous.total;
    const busy = total <= 0 ? null : Math.min(1, Math.max(0, 1 - (present.idle - previous.idle) / total));
    previous = present;
    return { type: 'heartbeat', cpuBusy: busy, memoryFreeBytes: os.freemem() };
  };
}

function processorTimes(): { idle: number; total: number } {
  let idle = 0;
  let total = 0;
  for (const { times } of os.cpus()) {
    idle += times.idle;
    total += times.idle + times.user + times.nice + times.sys + times.irq;
  }
  return { idle, total };
}
