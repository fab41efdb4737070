/**
 * Files that a container holds open and that have no name any more: a walk through folders does not see them, and they
 * fill the disk all the same. Where the agent may look into the container's processes (it is root, or runs as the same
 * user, on the same machine), they are found by their open descriptors.
 */
import { readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { DOCKER_LIMITS } from '../limits.ts';

export interface ProcessTable {
  /** Numbers of the processes of a container on this machine. */
  processes(): readonly number[];
  /** What the open descriptors of one are. */
  openFiles(process: number): readonly string[];
  stats(path: string): Stats | undefined;
}

/** Sum of the sizes; each file counts once. Stops looking after a number of descriptors. */
export function namelessBytes(table: ProcessTable): number {
  const sizes = new Map<string, number>();
  let looked = 0;
  for (const process of table.processes()) {
    for (const path of table.openFiles(process)) {
      looked += 1;
      if (looked > DOCKER_LIMITS.descriptorsLookedAt) break;
      const stats = table.stats(path);
      if (stats?.isFile() && stats.nlink === 0) sizes.set(`${stats.dev}:${stats.ino}`, stats.size);
    }
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/**
 * Null where this machine does not show the container. `initProcess` is its first process, as the engine numbers it;
 * its control group has to name the container, or the number means another process here.
 */
export function processTableOf(initProcess: number, containerId: string): ProcessTable | null {
  const file = quietly(() => processListOf(readFileSync(`/proc/${initProcess}/cgroup`, 'utf8'), containerId), null);
  if (file === null || quietly(() => readFileSync(file, 'utf8'), '') === '') return null;
  return {
    processes: () =>
      quietly(() => readFileSync(file, 'utf8'), '')
        .split('\n')
        .filter((line) => line !== '')
        .map(Number),
    openFiles: (process) =>
      quietly(() => readdirSync(`/proc/${process}/fd`), []).map((descriptor) => `/proc/${process}/fd/${descriptor}`),
    stats: (path) => quietly(() => statSync(path, { throwIfNoEntry: false }), undefined),
  };
}

/** The file that lists the processes, from /proc/N/cgroup: of the first version (`8:pids:/...`) or the second (`0::/...`). */
export function processListOf(groups: string, containerId: string): string | null {
  for (const line of groups.split('\n')) {
    const [number, controllers = '', ...rest] = line.split(':');
    const path = rest.join(':');
    if (!path.includes(containerId)) continue;
    if (controllers.split(',').includes('pids')) return `/sys/fs/cgroup/pids${path}/cgroup.procs`;
    if (number === '0' && controllers === '') return `/sys/fs/cgroup${path}/cgroup.procs`;
  }
  return null;
}

function quietly<Value>(run: () => Value, otherwise: Value): Value {
  try {
    return run();
  } catch {
    return otherwise;
  }
}
