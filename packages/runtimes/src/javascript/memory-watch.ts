/**
 * Watches the memory and CPU time of a process and its descendants through /proc, so that what an engine's own heap
 * limit does not count (ArrayBuffers, strings outside the heap) is bounded too. Elsewhere than on Linux it sees
 * nothing, and only the heap limit holds.
 */
import { readFileSync } from 'node:fs';

export interface ProcessSample {
  residentBytes: number;
  cpuMilliseconds: number;
}

/** Bytes in a page, and ticks in a second, as on every Linux platform Node runs on (arm64 with larger pages reads low). */
const PAGE_BYTES = 4096;
const TICK_MILLISECONDS = 10;

/** Sums over the process and its descendants; null where there is no /proc or the process is gone. */
export function sampleProcesses(pid: number): ProcessSample | null {
  if (process.platform !== 'linux') return null;
  const total = { residentBytes: 0, cpuMilliseconds: 0 };
  const queue = [pid];
  for (const member of queue) {
    try {
      const stat = readFileSync(`/proc/${member}/stat`, 'latin1');
      // Fields after the name, which may hold spaces and brackets (proc(5)): utime 14, stime 15, rss 24.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      total.cpuMilliseconds += (Number(fields[11]) + Number(fields[12])) * TICK_MILLISECONDS;
      total.residentBytes += Number(fields[21]) * PAGE_BYTES;
      for (const child of readFileSync(`/proc/${member}/task/${member}/children`, 'latin1').split(' ')) {
        if (child !== '') queue.push(Number(child));
      }
    } catch {
      if (member === pid) return null;
    }
  }
  return total;
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
