/**
 * Watches the memory and CPU time of a process and its descendants through /proc, so that what an engine's own heap
 * limit does not count (ArrayBuffers, strings outside the heap) is bounded too. Elsewhere than on Linux it sees
 * nothing, and only the heap limit holds.
 */
import { descendants, startTime, treeUsage } from '../process/process-tree.ts';

export interface ProcessSample {
  residentBytes: number;
  cpuMilliseconds: number;
}

/** Sums over the process and its descendants; null where there is no /proc or the process is gone. */
export function sampleProcesses(pid: number): ProcessSample | null {
  if (process.platform !== 'linux' || startTime(pid) === null) return null;
  const { memoryBytes, cpuMilliseconds } = treeUsage(descendants(pid));
  return { residentBytes: memoryBytes, cpuMilliseconds };
}

export interface MemoryWatchOptions {
  pid: number;
  /** Growth since the start of the watch that is allowed. */
  allowedBytes: number;
  intervalMilliseconds: number;
  exceeded(): void;
}

/** Ends with `stop` or `Symbol.dispose`. */
export class MemoryWatch implements Disposable {
  readonly #start: ProcessSample | null;
  readonly #timer: NodeJS.Timeout;
  #last: ProcessSample | null;
  #peakBytes = 0;

  constructor({ pid, allowedBytes, intervalMilliseconds, exceeded }: MemoryWatchOptions) {
    this.#start = sampleProcesses(pid);
    this.#last = this.#start;
    const base = this.#start?.residentBytes ?? 0;
    this.#timer = setInterval(() => {
      const sample = sampleProcesses(pid);
      if (sample === null) return;
      this.#last = sample;
      this.#peakBytes = Math.max(this.#peakBytes, sample.residentBytes);
      if (sample.residentBytes - base > allowedBytes) exceeded();
    }, intervalMilliseconds);
  }

  /** User and system time since the start, in steps of 10 ms. */
  get cpuMilliseconds(): number | null {
    return this.#start === null || this.#last === null
      ? null
      : this.#last.cpuMilliseconds - this.#start.cpuMilliseconds;
  }

  /** What the process had used before. */
  get earlierCpuMilliseconds(): number {
    return this.#start?.cpuMilliseconds ?? 0;
  }

  get peakMemoryBytes(): number | null {
    return this.#peakBytes === 0 ? null : this.#peakBytes;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}
