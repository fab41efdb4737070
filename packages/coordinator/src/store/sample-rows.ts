/** What attempts used over time. */
import type { AttemptName, AttemptSample, UsageSample } from '@fog/contract';
import { type BulkStatement, type BulkValue, runBulk } from './bulk.ts';
import type { Reader, Writer } from './database.ts';

export interface NewSample {
  attempt: AttemptName;
  at: number;
  usage: UsageSample;
}

const INSERT_SAMPLES: BulkStatement = {
  text: `INSERT INTO samples (job_id, partition, fence, at, cpu_milliseconds, memory_bytes, network_received_bytes,
      network_sent_bytes, disk_bytes, processes)
    SELECT job_id, partition, fence, at, cpu, memory, received, sent, disk, processes FROM ROWS AS d WHERE true
    ON CONFLICT DO NOTHING`,
  columns: {
    job_id: 'text',
    partition: 'integer',
    fence: 'integer',
    at: 'bigint',
    cpu: 'bigint',
    memory: 'bigint',
    received: 'bigint',
    sent: 'bigint',
    disk: 'bigint',
    processes: 'bigint',
  },
};

export async function insertSamples(writer: Writer, samples: readonly NewSample[]): Promise<void> {
  const rows = samples.map(({ attempt: { job, partition, fence }, at, usage }): BulkValue[] => {
    const { cpuMilliseconds, memoryBytes, networkReceivedBytes, networkSentBytes, diskBytes, processes } = usage;
    const values = [cpuMilliseconds, memoryBytes, networkReceivedBytes, networkSentBytes, diskBytes, processes];
    return [job, partition, fence, at, ...values.map((value) => (value === null ? null : Math.round(value)))];
  });
  await runBulk(writer, INSERT_SAMPLES, rows);
}

/** In the order of attempts and time, after `after`. */
export async function readSamples(
  reader: Reader,
  task: { job: string; partition: number },
  filter: { fence: number | undefined; after: { fence: number; at: number } | undefined; limit: number },
): Promise<AttemptSample[]> {
  const { fence, after, limit } = filter;
  let query = reader
    .selectFrom('samples')
    .selectAll()
    .where('job_id', '=', task.job)
    .where('partition', '=', task.partition)
    .orderBy('fence')
    .orderBy('at')
    .limit(limit);
  if (fence !== undefined) query = query.where('fence', '=', fence);
  if (after !== undefined) {
    query = query.where(({ eb, or, and }) =>
      or([eb('fence', '>', after.fence), and([eb('fence', '=', after.fence), eb('at', '>', after.at)])]),
    );
  }
  return (await query.execute()).map((row) => ({
    fence: row.fence,
    at: row.at,
    cpuMilliseconds: row.cpu_milliseconds,
    memoryBytes: row.memory_bytes,
    networkReceivedBytes: row.network_received_bytes,
    networkSentBytes: row.network_sent_bytes,
    diskBytes: row.disk_bytes,
    processes: row.processes,
  }));
}
