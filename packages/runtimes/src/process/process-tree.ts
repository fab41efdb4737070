/**
 * Processes of a sandbox as /proc shows them to the agent. Used where there is no control group, and for files that
 * are open but have no name. What is read may be outdated a moment later; every use tolerates that.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { UsageSample } from '@fog/contract';
import { PROCESS_LIMITS } from '../limits.ts';

/** Field 22 of /proc/PID/stat: tells a process from a later one of the same number. Null when it is gone or a zombie. */
export function startTime(pid: number): string | null {
  const fields = statFields(pid);
  return fields === null || fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
}

/** Fields of /proc/PID/stat after the name, which may itself hold spaces and brackets. */
function statFields(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

/** A process and all its descendants. Bounded. */
export function descendants(root: number): number[] {
  const found = [root];
  for (let index = 0; index < found.length && found.length < PROCESS_LIMITS.watchedProcesses; index += 1) {
    found.push(...children(found[index] ?? 0));
  }
  return found;
}

/** What it has started and what has come to it, orphans of its namespace. */
export function children(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1')
        .split(' ')
        .filter((word) => word !== '')
        .map(Number),
    );
  } catch {
    return [];
  }
}

export interface TreeUsage {
  cpuMilliseconds: number;
  memoryBytes: number;
  /** Processes and their threads. */
  processes: number;
}

/** USER_HZ is 100 on every platform that Node runs on. */
const MILLISECONDS_PER_TICK = 10;

export function treeUsage(pids: readonly number[]): TreeUsage {
  const usage = { cpuMilliseconds: 0, memoryBytes: 0, processes: 0 };
  for (const pid of pids) {
    const fields = statFields(pid);
    if (fields === null) continue;
    // utime, stime, and those of children that were waited for; then the threads.
    const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0);
    usage.cpuMilliseconds += ticks * MILLISECONDS_PER_TICK;
    usage.processes += Number(fields[17]);
    usage.memoryBytes += ownMemoryBytes(pid);
  }
  return usage;
}

/** What it has written: its own pages and shared ones. Pages of files, such as those of programs, can be given back. */
function ownMemoryBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const kibibytes = [...status.matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm)].map((match) => Number(match[1]));
    return kibibytes.reduce((sum, value) => sum + value, 0) * 1024;
  } catch {
    return 0;
  }
}

/** Bytes of files on `device` that have no name any more but are still open in one of the processes. */
export function namelessBytes(pids: readonly number[], device: number): number {
  const seen = new Set<number>();
  let bytes = 0;
  let looks = 0;
  for (const pid of pids) {
    for (const descriptor of descriptors(pid)) {
      looks += 1;
      if (looks > PROCESS_LIMITS.watchedDescriptors) return bytes;
      try {
        const stats = statSync(`/proc/${pid}/fd/${descriptor}`);
        if (stats.nlink !== 0 || !stats.isFile() || stats.dev !== device || seen.has(stats.ino)) continue;
        seen.add(stats.ino);
        bytes += stats.size;
      } catch {
        // Closed since.
      }
    }
  }
  return bytes;
}

function descriptors(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return [];
  }
}

/** Threads of a user on this machine, which is what the kernel counts against RLIMIT_NPROC. */
export function threadsOfUser(uid: number): number {
  let threads = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (statSync(`/proc/${name}`).uid === uid) threads += Number(statFields(Number(name))?.[17] ?? 0);
    } catch {
      // Gone since.
    }
  }
  return threads;
}

/** Sends a signal to each; answers how many of them got it. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): number {
  return pids.filter((pid) => {
    try {
      return pid > 1 && process.kill(pid, signal);
    } catch {
      return false;
    }
  }).length;
}

/**
 * Stops an engine's process with all its descendants, which start no others, or lets them go on. Answers whether there
 * was something to stop: not on Windows, and not once it is gone.
 */
export function freezeTree(pid: number | undefined, isFrozen: boolean): boolean {
  if (pid === undefined) return false;
  const pids = descendants(pid);
  return isFrozen ? signalAll(pids, 'SIGSTOP') > 0 : signalAll(pids.reverse(), 'SIGCONT') > 0;
}

/** What a process of an engine uses, `cpuBefore` being of earlier attempts. Null where there is no /proc or it is gone. */
export function engineSample(pid: number | undefined, cpuBefore: number): UsageSample | null {
  if (pid === undefined || process.platform !== 'linux' || startTime(pid) === null) return null;
  const { cpuMilliseconds, memoryBytes, processes } = treeUsage(descendants(pid));
  return {
    cpuMilliseconds: Math.max(0, cpuMilliseconds - cpuBefore),
    memoryBytes,
    // Programs of engines have no sockets and no files outside of memory.
    networkReceivedBytes: 0,
    networkSentBytes: 0,
    diskBytes: null,
    processes,
  };
}
