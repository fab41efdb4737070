/**
 * Control groups of attempts: found once, made for each attempt, removed after it.
 *
 *     <hierarchy>/fog-<node>/<attempt>
 *
 * Version 2 where this process may hand out its controllers, version 1 where those hierarchies are writable; otherwise
 * there is none, and the attempt is watched instead.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROCESS_LIMITS } from '../limits.ts';
import type { AttemptLimits } from '../runtime.ts';
import {
  type CgroupSetting,
  cgroupName,
  cgroupSettings,
  parseCgroupMounts,
  parseOwnCgroups,
  readKeyed,
  readNumber,
} from './cgroup-plan.ts';

type Part = 'memory' | 'cpu' | 'cpuacct' | 'pids' | 'freezer';

export interface CgroupHierarchy {
  version: 1 | 2;
  /** The folder in which each part's groups are made; in version 2 the same for all. */
  folders: ReadonlyMap<Part, string>;
}

/** Looks at this machine, and makes the folder of this node. Null where no memory and process limits can be set. */
export function findCgroups(nodeId: string): CgroupHierarchy | null {
  if (process.platform !== 'linux') return null;
  const mounts = parseCgroupMounts(read('/proc/self/mountinfo') ?? '');
  const own = parseOwnCgroups(read('/proc/self/cgroup') ?? '');
  const name = `fog-${cgroupName(nodeId)}`;
  if (mounts.unified !== null && !mounts.controllers.has('memory')) {
    const candidates = [...new Set([join(mounts.unified, own.get('') ?? '/'), mounts.unified])];
    const folder = candidates.map((candidate) => prepareUnified(candidate, name)).find((made) => made !== null);
    if (folder === undefined) return null;
    const parts = ['memory', 'cpu', 'cpuacct', 'pids', 'freezer'] as const;
    return { version: 2, folders: new Map(parts.map((part) => [part, folder])) };
  }
  const folders = new Map<Part, string>();
  for (const part of ['memory', 'pids', 'cpu', 'cpuacct', 'freezer'] as const) {
    const mount = mounts.controllers.get(part);
    if (mount === undefined) continue;
    // At the top, as Docker's are; where that is not ours, below this process's own group.
    const folder = [join(mount, name), join(mount, own.get(part) ?? '/', name)].find(makeFolder);
    if (folder !== undefined) folders.set(part, folder);
  }
  if (folders.has('memory') && folders.has('pids')) return { version: 1, folders };
  for (const folder of folders.values()) removeFolder(folder);
  return null;
}

/** Version 2 lets a group have processes or controlled children, so the agent moves into a leaf of its own group. */
function prepareUnified(parent: string, name: string): string | null {
  const needed = ['memory', 'pids'];
  const enabled = (): string[] => (read(join(parent, 'cgroup.subtree_control')) ?? '').trim().split(' ');
  const hasAll = (): boolean => needed.every((controller) => enabled().includes(controller));
  if (!hasAll()) {
    const members = (read(join(parent, 'cgroup.procs')) ?? '').trim().split('\n');
    if (members.length === 1 && members[0] === String(process.pid)) {
      const leaf = join(parent, 'fog-agent');
      if (!makeFolder(leaf) || !write(join(leaf, 'cgroup.procs'), String(process.pid))) return null;
    }
    for (const controller of [...needed, 'cpu']) write(join(parent, 'cgroup.subtree_control'), `+${controller}`);
    if (!hasAll()) return null;
  }
  const folder = join(parent, name);
  if (!makeFolder(folder)) return null;
  for (const controller of [...needed, 'cpu']) write(join(folder, 'cgroup.subtree_control'), `+${controller}`);
  return existsSync(join(folder, 'cgroup.procs')) ? folder : null;
}

/** Throws when a limit that is required cannot be set; nothing is then left behind. */
export function createCgroup(
  hierarchy: CgroupHierarchy,
  attemptId: string,
  limits: AttemptLimits,
  hasNetwork: boolean,
): AttemptCgroup {
  const folders = new Map([...hierarchy.folders].map(([part, folder]) => [part, join(folder, cgroupName(attemptId))]));
  const group = new AttemptCgroup(hierarchy.version, folders);
  for (const folder of new Set(folders.values())) {
    mkdirSync(dirname(folder), { recursive: true });
    // One that is there already belongs to another attempt, whose processes would be killed with these.
    mkdirSync(folder);
  }
  for (const setting of cgroupSettings(hierarchy.version, { ...limits, hasNetwork })) {
    if (apply(setting, folders) || setting.optional) continue;
    group.removeNow();
    throw new Error(`${setting.file} cannot be set`);
  }
  return group;
}

function apply({ controller, file, value }: CgroupSetting, folders: ReadonlyMap<Part, string>): boolean {
  const folder = folders.get(controller);
  return folder !== undefined && write(join(folder, file), value);
}

export class AttemptCgroup {
  readonly version: 1 | 2;
  readonly #folders: ReadonlyMap<Part, string>;

  constructor(version: 1 | 2, folders: ReadonlyMap<Part, string>) {
    this.version = version;
    this.#folders = folders;
  }

  /** Whoever writes its process id into all of these is in the group, with all it starts. */
  get joinFiles(): string[] {
    return [...new Set(this.#folders.values())].map((folder) => join(folder, 'cgroup.procs'));
  }

  get canFreeze(): boolean {
    return this.#folders.has('freezer');
  }

  cpuMilliseconds(): number | null {
    if (this.version === 1) {
      const nanoseconds = readNumber(this.#read('cpuacct', 'cpuacct.usage'));
      return nanoseconds === null ? null : nanoseconds / 1e6;
    }
    const microseconds = readKeyed(this.#read('cpu', 'cpu.stat'), 'usage_usec');
    return microseconds === null ? null : microseconds / 1000;
  }

  memoryBytes(): number | null {
    return readNumber(this.#read('memory', this.version === 1 ? 'memory.usage_in_bytes' : 'memory.current'));
  }

  peakMemoryBytes(): number | null {
    return readNumber(this.#read('memory', this.version === 1 ? 'memory.max_usage_in_bytes' : 'memory.peak'));
  }

  processes(): number | null {
    return readNumber(this.#read('pids', 'pids.current'));
  }

  /** Processes that the kernel killed because the group was out of memory. */
  outOfMemoryKills(): number {
    const file = this.version === 1 ? 'memory.oom_control' : 'memory.events';
    return readKeyed(this.#read('memory', file), 'oom_kill') ?? 0;
  }

  members(): number[] {
    const lists = [...new Set(this.#folders.values())].map((folder) => read(join(folder, 'cgroup.procs')) ?? '');
    return [...new Set(lists.flatMap((list) => list.split('\n').filter((line) => line !== '')))].map(Number);
  }

  /** Resolves with whether all of it stands still; a thaw always succeeds at once. */
  async setFrozen(frozen: boolean): Promise<boolean> {
    const folder = this.#folders.get('freezer');
    if (folder === undefined) return false;
    const [file, value] =
      this.version === 1 ? ['freezer.state', frozen ? 'FROZEN' : 'THAWED'] : ['cgroup.freeze', frozen ? '1' : '0'];
    if (!write(join(folder, file), value)) return false;
    const isFrozen = (): boolean =>
      this.version === 1
        ? read(join(folder, 'freezer.state'))?.trim() === 'FROZEN'
        : readKeyed(read(join(folder, 'cgroup.events')), 'frozen') === 1;
    const start = performance.now();
    let again = start + PROCESS_LIMITS.freezeAgainMilliseconds;
    while (frozen && !isFrozen()) {
      const now = performance.now();
      if (now > start + PROCESS_LIMITS.freezeMilliseconds) {
        await this.setFrozen(false);
        return false;
      }
      // Version 1 can get stuck half-way, with a process that forked at the wrong moment: then it has to be begun anew.
      if (this.version === 1 && now > again) {
        again = now + PROCESS_LIMITS.freezeAgainMilliseconds;
        write(join(folder, file), 'THAWED');
        write(join(folder, file), value);
      }
      await sleep(1);
    }
    return true;
  }

  /** Everything in the group, also what is frozen and what forks meanwhile. */
  kill(): void {
    const folder = this.#folders.get('memory');
    const atOnce = this.version === 2 && folder !== undefined && write(join(folder, 'cgroup.kill'), '1');
    if (!atOnce) for (const member of this.members()) kill(member);
    // A process that is frozen in version 1 dies when it is thawed.
    const freezer = this.#folders.get('freezer');
    if (this.version === 1 && freezer !== undefined) write(join(freezer, 'freezer.state'), 'THAWED');
  }

  /** Kills what is left and removes the folders. Resolves with whether they are gone. */
  async remove(): Promise<boolean> {
    const deadline = performance.now() + PROCESS_LIMITS.cleanUpMilliseconds;
    for (let pause = 1; !this.removeNow(); pause = Math.min(2 * pause, 50)) {
      if (performance.now() > deadline) return false;
      this.kill();
      await sleep(pause);
    }
    return true;
  }

  removeNow(): boolean {
    return [...new Set(this.#folders.values())].map(removeFolder).every((removed) => removed);
  }

  #read(part: Part, file: string): string | null {
    const folder = this.#folders.get(part);
    return folder === undefined ? null : read(join(folder, file));
  }
}

/** Groups that an agent of this node left behind, without those that are in use. */
export function leftoverCgroups(hierarchy: CgroupHierarchy, inUse: ReadonlySet<string>): AttemptCgroup[] {
  const used = new Set([...inUse].map(cgroupName));
  const names = new Set([...new Set(hierarchy.folders.values())].flatMap(subfolders));
  return [...names]
    .filter((name) => !used.has(name))
    .map((name) => {
      const existing = [...hierarchy.folders].filter(([, folder]) => existsSync(join(folder, name)));
      return new AttemptCgroup(
        hierarchy.version,
        new Map(existing.map(([part, folder]) => [part, join(folder, name)])),
      );
    });
}

/** The folders of this node, when nothing is in them any more. */
export function releaseCgroups(hierarchy: CgroupHierarchy): void {
  for (const folder of new Set(hierarchy.folders.values())) removeFolder(folder);
}

function subfolders(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}

function kill(pid: number): void {
  try {
    if (pid > 1) process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}

function makeFolder(path: string): boolean {
  try {
    mkdirSync(path, { recursive: true });
    // Elsewhere than in a hierarchy the kernel puts no such file into a new folder.
    return existsSync(join(path, 'cgroup.procs'));
  } catch {
    return false;
  }
}

function removeFolder(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function write(path: string, value: string): boolean {
  try {
    writeFileSync(path, value);
    return true;
  } catch {
    return false;
  }
}
