/**
 * Looks at a running attempt again and again, and says when it has gone beyond a limit that the kernel does not hold
 * for us: bytes and files of its disk; processes killed for memory (version 1 of control groups kills one of several);
 * and, without control groups, memory and processes.
 */
import type { FileHandle } from 'node:fs/promises';
import { PROCESS_LIMITS } from '../limits.ts';
import type { AttemptLimits } from '../runtime.ts';
import type { AttemptCgroup } from './cgroups.ts';
import { type Failure, tooLarge } from './ending.ts';
import { descendants, namelessBytes, type TreeUsage, treeUsage } from './process-tree.ts';
import { openFolder, walkTree } from './tree-walk.ts';

export interface WatchOptions {
  limits: AttemptLimits;
  /** Folders that count into the disk: the root, and the checkpoint. */
  folders: readonly string[];
  /** Files and folders in them that are not of the job. */
  ownFiles: number;
  cgroup: AttemptCgroup | null;
  /** The first process of the sandbox, as this machine counts. */
  initPid: number;
  exceeded(failure: Failure): void;
}

export class AttemptWatch {
  readonly #options: WatchOptions;
  #diskTimer: NodeJS.Timeout | undefined;
  #memoryTimer: NodeJS.Timeout | undefined;
  #stopped = false;
  #diskBytes: number | null = null;
  #peakMemoryBytes = 0;
  #cpuMilliseconds = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#scheduleDisk(PROCESS_LIMITS.watchMilliseconds);
    if (options.cgroup === null) this.#lookAtProcesses();
  }

  /** As of the last look; null before the first. */
  get diskBytes(): number | null {
    return this.#diskBytes;
  }

  /** The most that was seen, where there is no control group. */
  get peakMemoryBytes(): number {
    return this.#peakMemoryBytes;
  }

  get cpuMilliseconds(): number {
    return this.#cpuMilliseconds;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#diskTimer);
    clearTimeout(this.#memoryTimer);
  }

  /** Processes of the sandbox, without bubblewrap outside of it. */
  pids(): number[] {
    return descendants(this.#options.initPid);
  }

  lookAtUsage(): TreeUsage {
    const usage = treeUsage(this.pids());
    this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes, usage.memoryBytes);
    this.#cpuMilliseconds = Math.max(this.#cpuMilliseconds, usage.cpuMilliseconds);
    return usage;
  }

  #scheduleDisk(milliseconds: number): void {
    if (this.#stopped) return;
    this.#diskTimer = setTimeout(() => void this.#lookAtDisk(), milliseconds);
    this.#diskTimer.unref();
  }

  async #lookAtDisk(): Promise<void> {
    const { limits, cgroup, exceeded } = this.#options;
    const begin = performance.now();
    const failure = await this.#diskFailure().catch(() => null);
    if (this.#stopped) return;
    if (failure !== null) exceeded(failure);
    else if ((cgroup?.outOfMemoryKills() ?? 0) > 0) exceeded(outOfMemory(limits));
    const spent = performance.now() - begin;
    this.#scheduleDisk(Math.max(PROCESS_LIMITS.watchMilliseconds, spent * PROCESS_LIMITS.watchShare));
  }

  async #diskFailure(): Promise<Failure | null> {
    const { limits, folders, ownFiles } = this.#options;
    const sum = { bytes: 0, files: 0, device: null as number | null };
    for (const path of folders) {
      const folder = await openFolder(path);
      try {
        const failure = await this.#walk(folder, sum, limits, ownFiles);
        if (failure !== null) return failure;
      } finally {
        await folder.close();
      }
    }
    if (sum.device !== null) sum.bytes += namelessBytes(this.pids(), sum.device);
    this.#diskBytes = sum.bytes;
    return sum.bytes > limits.diskBytes ? tooLarge(limits) : null;
  }

  async #walk(
    folder: FileHandle,
    sum: { bytes: number; files: number; device: number | null },
    limits: AttemptLimits,
    ownFiles: number,
  ): Promise<Failure | null> {
    sum.device ??= (await folder.stat()).dev;
    const names = new Set<number>();
    try {
      for await (const { stats } of walkTree(folder)) {
        sum.files += 1;
        // A file of several names is on the disk once; a hole in a file would be bytes of an output.
        if (stats.isFile() && !(stats.nlink > 1 && names.has(stats.ino))) sum.bytes += stats.size;
        if (stats.nlink > 1) names.add(stats.ino);
        if (sum.bytes > limits.diskBytes) return tooLarge(limits);
        if (sum.files > limits.files + ownFiles) return tooMany(limits);
        if (this.#stopped) return null;
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const message = 'The program nested its folders too deeply.';
      return { reason: 'output-too-large', message, exitCode: null };
    }
    return null;
  }

  #lookAtProcesses(): void {
    if (this.#stopped) return;
    const { limits, exceeded } = this.#options;
    const usage = this.lookAtUsage();
    if (usage.memoryBytes > limits.memoryBytes) exceeded(outOfMemory(limits));
    // bubblewrap's own first process, and the forwarder with its commands.
    else if (usage.processes > limits.processes + PROCESS_LIMITS.ownProcesses) exceeded(tooManyProcesses(limits));
    this.#memoryTimer = setTimeout(() => this.#lookAtProcesses(), PROCESS_LIMITS.watchMemoryMilliseconds);
    this.#memoryTimer.unref();
  }
}

function tooMany({ files }: AttemptLimits): Failure {
  return {
    reason: 'output-too-large',
    message: `The program made more than ${files} files and folders.`,
    exitCode: null,
  };
}

export function outOfMemory({ memoryBytes }: AttemptLimits): Failure {
  return { reason: 'oom', message: `The program needed more than its ${memoryBytes} bytes of memory.`, exitCode: null };
}

function tooManyProcesses({ processes }: AttemptLimits): Failure {
  const message = `The program started more than its ${processes} processes.`;
  return { reason: 'exit-code', message, exitCode: null };
}
