/** What several runs of one attempt used together. Pure. */
import type { UsageSample } from '@fog/contract';
import type { AttemptUsage } from '@fog/runtimes';

export const NO_SAMPLE: UsageSample = {
  cpuMilliseconds: null,
  memoryBytes: null,
  networkReceivedBytes: null,
  networkSentBytes: null,
  diskBytes: null,
  processes: null,
};

export function sumOfRuns(before: AttemptUsage, run: AttemptUsage): AttemptUsage {
  const peaks = [before.peakMemoryBytes, run.peakMemoryBytes].filter((bytes) => bytes !== null);
  return {
    wallMilliseconds: before.wallMilliseconds + run.wallMilliseconds,
    cpuMilliseconds: sum(before.cpuMilliseconds, run.cpuMilliseconds),
    peakMemoryBytes: peaks.length === 0 ? null : Math.max(...peaks),
  };
}

/** Counters go on; what is in use is that of the present run alone. */
export function sumOfSamples(before: UsageSample, present: UsageSample): UsageSample {
  return {
    ...present,
    cpuMilliseconds: sum(before.cpuMilliseconds, present.cpuMilliseconds),
    networkReceivedBytes: sum(before.networkReceivedBytes, present.networkReceivedBytes),
    networkSentBytes: sum(before.networkSentBytes, present.networkSentBytes),
  };
}

/** What is unknown of one run is left out. */
function sum(before: number | null, run: number | null): number | null {
  return before === null ? run : before + (run ?? 0);
}
