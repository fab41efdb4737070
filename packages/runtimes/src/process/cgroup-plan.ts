/**
 * Control groups, as decisions: which hierarchies a machine has, which files get which values, what their contents
 * mean. Pure; `cgroups.ts` reads and writes. Source: cgroups(7), cgroup-v1/memory.rst, cgroup-v2.rst of the kernel.
 */
import type { AttemptLimits } from '../runtime.ts';

export interface CgroupMounts {
  /** Mount point of version 2, also where version 1 has the controllers ("hybrid"). */
  unified: string | null;
  /** Mount point of each controller of version 1; several may share one. */
  controllers: ReadonlyMap<string, string>;
}

/** From the text of /proc/self/mountinfo. */
export function parseCgroupMounts(mountinfo: string): CgroupMounts {
  const controllers = new Map<string, string>();
  let unified: string | null = null;
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const mountPoint = unescapeOctal(before.split(' ')[4] ?? '');
    const [type, , options = ''] = after.split(' ');
    if (type === 'cgroup2') unified ??= mountPoint;
    if (type !== 'cgroup') continue;
    for (const option of options.split(',')) {
      if (!controllers.has(option)) controllers.set(option, mountPoint);
    }
  }
  return { unified, controllers };
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** From the text of /proc/self/cgroup: the path in version 2 under the name '', else by controller. */
export function parseOwnCgroups(text: string): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    for (const controller of match?.[1]?.split(',') ?? []) paths.set(controller, match?.[2] ?? '/');
  }
  return paths;
}

/** A name of one folder: what is not plain is replaced by its code. */
export function cgroupName(text: string): string {
  const plain = text.replace(/[^A-Za-z0-9_-]/g, (character) => `.${character.codePointAt(0)?.toString(16)}.`);
  return plain.slice(0, 200) || '_';
}

const CPU_PERIOD_MICROSECONDS = 100_000;
/** The kernel takes no smaller quota. */
const CPU_QUOTA_LEAST_MICROSECONDS = 1000;
/** Processes of ours in each group: bubblewrap outside and inside, the forwarder and its commands. */
const OWN_PROCESSES = 2;
const OWN_NETWORK_PROCESSES = 9;

type LimitValues = Pick<AttemptLimits, 'memoryBytes' | 'milliCpu' | 'processes'> & { hasNetwork: boolean };

export interface CgroupSetting {
  controller: 'memory' | 'cpu' | 'pids';
  file: string;
  value: string;
  /** Whether the kernel may lack this file. */
  optional: boolean;
}

/** In the order in which they must be written. */
export function cgroupSettings(version: 1 | 2, limits: LimitValues): CgroupSetting[] {
  const memory = String(limits.memoryBytes);
  const quota = Math.max(CPU_QUOTA_LEAST_MICROSECONDS, (limits.milliCpu * CPU_PERIOD_MICROSECONDS) / 1000);
  const processes = String(limits.processes + OWN_PROCESSES + (limits.hasNetwork ? OWN_NETWORK_PROCESSES : 0));
  const required = { optional: false } as const;
  if (version === 2) {
    return [
      { controller: 'memory', file: 'memory.max', value: memory, ...required },
      { controller: 'memory', file: 'memory.swap.max', value: '0', optional: true },
      // One process of a job that is killed for memory would leave the others waiting for it.
      { controller: 'memory', file: 'memory.oom.group', value: '1', optional: true },
      { controller: 'cpu', file: 'cpu.max', value: `${Math.round(quota)} ${CPU_PERIOD_MICROSECONDS}`, optional: true },
      { controller: 'pids', file: 'pids.max', value: processes, ...required },
    ];
  }
  return [
    { controller: 'memory', file: 'memory.limit_in_bytes', value: memory, ...required },
    // Memory and swap together, so no swap; absent where the kernel does not account for swap.
    { controller: 'memory', file: 'memory.memsw.limit_in_bytes', value: memory, optional: true },
    { controller: 'cpu', file: 'cpu.cfs_period_us', value: String(CPU_PERIOD_MICROSECONDS), optional: true },
    { controller: 'cpu', file: 'cpu.cfs_quota_us', value: String(Math.round(quota)), optional: true },
    { controller: 'pids', file: 'pids.max', value: processes, ...required },
  ];
}

/** A number of a file with lines `name value`; null where it is not. */
export function readKeyed(text: string | null, name: string): number | null {
  const line = text?.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return line === undefined ? null : readNumber(line.slice(name.length + 1));
}

export function readNumber(text: string | null): number | null {
  const value = text === null || text.trim() === '' ? Number.NaN : Number(text.trim());
  return Number.isFinite(value) && value >= 0 ? value : null;
}
