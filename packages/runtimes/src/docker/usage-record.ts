/** What a container has used, from looks at it now and then: the engine tells nothing once it has ended. */
import type { UsageSample } from '@fog/contract';
import type { AttemptUsage } from '../runtime.ts';
import type { ContainerStats } from './engine.ts';

export class UsageRecord {
  #cpuMilliseconds: number | null = null;
  #peakMemoryBytes: number | null = null;

  take(stats: ContainerStats): Pick<UsageSample, 'cpuMilliseconds' | 'memoryBytes' | 'processes'> {
    const cpuNanoseconds = stats.cpu_stats?.cpu_usage?.total_usage;
    const cpuMilliseconds = cpuNanoseconds === undefined ? null : cpuNanoseconds / 1e6;
    const { usage, max_usage: maximum, stats: details = {} } = stats.memory_stats ?? {};
    // What the kernel can drop at once is no use of memory: files of the second version's and of the first's name.
    const cache = details.inactive_file ?? details.total_inactive_file ?? 0;
    const memoryBytes = usage === undefined ? null : Math.max(0, usage - cache);
    const peak = maximum ?? memoryBytes;
    if (cpuMilliseconds !== null) this.#cpuMilliseconds = cpuMilliseconds;
    if (peak !== null) this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes ?? 0, peak);
    return { cpuMilliseconds, memoryBytes, processes: stats.pids_stats?.current ?? null };
  }

  /** Of the last look; null when there was none. */
  totals(): Pick<AttemptUsage, 'cpuMilliseconds' | 'peakMemoryBytes'> {
    return { cpuMilliseconds: this.#cpuMilliseconds, peakMemoryBytes: this.#peakMemoryBytes };
  }
}
