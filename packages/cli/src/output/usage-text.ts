/** What attempts use, for people. */
import { type AttemptSample, formatBytes, formatDuration } from '@fog/contract';
import type { Colours } from '../terminal.ts';
import { agoText } from './moments.ts';
import { renderTable } from './table.ts';

export interface UsageRow {
  partition: number;
  sample: AttemptSample;
  /** The one before it of the same attempt. */
  previous: AttemptSample | null;
}

/** Each sample with the one before it of the same attempt. */
export function usageRows(partition: number, samples: readonly AttemptSample[]): UsageRow[] {
  return samples.map((sample, index) => {
    const before = samples[index - 1];
    return { partition, sample, previous: before?.fence === sample.fence ? before : null };
  });
}

export function usageText(rows: readonly UsageRow[], nowMilliseconds: number, colours: Colours): string {
  if (rows.length === 0) return 'Nothing measured yet: attempts are asked every ten seconds.';
  return renderTable(
    ['task', 'attempt', 'measured', 'cpu', 'cpu time', 'memory', 'received', 'sent', 'disk', 'processes'],
    rows.map(({ partition, sample, previous }) => [
      String(partition),
      String(sample.fence),
      agoText(sample.at, nowMilliseconds),
      processorShare(sample, previous),
      sample.cpuMilliseconds === null ? 'unknown' : formatDuration(sample.cpuMilliseconds),
      bytesText(sample.memoryBytes),
      bytesText(sample.networkReceivedBytes),
      bytesText(sample.networkSentBytes),
      bytesText(sample.diskBytes),
      sample.processes === null ? 'unknown' : String(sample.processes),
    ]),
    colours,
  );
}

/** Processors kept busy since the sample before: `150 %` is one and a half. */
function processorShare(sample: AttemptSample, previous: AttemptSample | null): string {
  if (sample.cpuMilliseconds === null || previous === null || previous.cpuMilliseconds === null) return '';
  const elapsed = sample.at - previous.at;
  return elapsed <= 0 ? '' : `${Math.round((100 * (sample.cpuMilliseconds - previous.cpuMilliseconds)) / elapsed)} %`;
}

function bytesText(bytes: number | null): string {
  return bytes === null ? 'unknown' : formatBytes(bytes);
}
