/** What a process of the benchmark used up to now. */
import { cpus } from 'node:os';
import { clockMilliseconds } from '../clock.ts';

export interface Usage {
  /** Of the machine's monotonic clock. */
  atMilliseconds: number;
  cpuMilliseconds: number;
  /** Of these, the thread that answers: for the node, its I/O thread. */
  threadCpuMilliseconds: number;
  rssBytes: number;
  /** Sent or received up to now, whichever the process does. */
  packets: number;
}

export function usageWith(packets: number): Usage {
  const total = process.cpuUsage();
  const thread = process.threadCpuUsage();
  return {
    atMilliseconds: clockMilliseconds(),
    cpuMilliseconds: (total.user + total.system) / 1000,
    threadCpuMilliseconds: (thread.user + thread.system) / 1000,
    rssBytes: process.memoryUsage.rss(),
    packets,
  };
}

/** Processors used between two moments, e.g. 0.5 for half of one. */
export function coresUsed(from: Usage, to: Usage): number {
  return (to.cpuMilliseconds - from.cpuMilliseconds) / (to.atMilliseconds - from.atMilliseconds);
}

export function threadCoresUsed(from: Usage, to: Usage): number {
  return (to.threadCpuMilliseconds - from.threadCpuMilliseconds) / (to.atMilliseconds - from.atMilliseconds);
}

/** What all programs of the machine used of its processors up to now, counted by the system's ticks. */
export function machineCpuMilliseconds(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
}

export function packetsPerSecond(from: Usage, to: Usage): number {
  return (1000 * (to.packets - from.packets)) / (to.atMilliseconds - from.atMilliseconds);
}
