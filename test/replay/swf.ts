/**
 * Workload logs by the protocol of RLScheduler: ten sequences of 1024 jobs, each on an idle machine. The sequences begin
 * where a file of expected results says (`*expected*.json`, beside the log or in FOG_TRACES), otherwise evenly spaced.
 */
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { AGING_POLICY, EASY_FCFS_POLICY, LEAST_SLOWDOWN_POLICY, type QueuePolicy } from '@fog/scheduler/queueing';
import { evenStarts, parseSwf, type ReplayMetrics, replayableJobs, replaySequence } from '@fog/scheduler/simulation';
import { z } from 'zod';
import { readText } from './read-text.ts';
import type { Replay } from './replay.ts';

const expectedSchema = z.looseObject({
  results: z.record(z.string(), z.unknown()),
  start_indices: z.array(z.int().nonnegative()).min(1),
});

export const SWF_REPLAY: Replay = {
  name: 'swf',
  summary: 'a log in the Standard Workload Format (.swf, .swf.gz): ten sequences of 1024 jobs',
  async run(file) {
    const log = parseSwf(await readText(file));
    if (log.processors === null) throw new Error(`the header of ${file} has neither MaxProcs nor MaxNodes`);
    const { processors } = log;
    const jobs = replayableJobs(log, processors);
    if (jobs.length === 0) throw new Error(`no job of ${file} can be replayed: none has a run time and processors`);
    const expected = await expectedStarts(file);
    const starts = expected ?? evenStarts(jobs.length);
    const replay = (policy: QueuePolicy) =>
      summaryOf(starts.map((start) => replaySequence(jobs, start, { processors, policy })));

    const unaged = replay(LEAST_SLOWDOWN_POLICY);
    const aged = replay(AGING_POLICY);
    const easyFcfs = replay(EASY_FCFS_POLICY);
    return {
      file: basename(file),
      processors,
      jobs: jobs.length,
      leftOutJobs: log.jobs.length - jobs.length,
      starts,
      startsFrom: expected === null ? 'evenly spaced' : 'expected file',
      boundedSlowdown: unaged.boundedSlowdown,
      boundedSlowdownAged: aged.boundedSlowdown,
      longestWaitSeconds: aged.longestWaitSeconds,
      longestWaitOverEasyFcfs:
        easyFcfs.longestWaitSeconds === 0 ? null : aged.longestWaitSeconds / easyFcfs.longestWaitSeconds,
      unaged,
      aged,
      easyFcfs,
    };
  },
};

/** Means over the sequences; of the longest waits the longest, and the mean beside it. */
function summaryOf(sequences: readonly ReplayMetrics[]): ReplayMetrics & { meanLongestWaitSeconds: number } {
  const mean = (of: (metrics: ReplayMetrics) => number) =>
    sequences.reduce((sum, metrics) => sum + of(metrics), 0) / sequences.length;
  return {
    boundedSlowdown: mean(({ boundedSlowdown }) => boundedSlowdown),
    meanWaitSeconds: mean(({ meanWaitSeconds }) => meanWaitSeconds),
    meanTurnaroundSeconds: mean(({ meanTurnaroundSeconds }) => meanTurnaroundSeconds),
    utilisation: mean(({ utilisation }) => utilisation),
    longestWaitSeconds: Math.max(...sequences.map(({ longestWaitSeconds }) => longestWaitSeconds)),
    meanLongestWaitSeconds: mean(({ longestWaitSeconds }) => longestWaitSeconds),
  };
}

/** Null when no file of expected results tells of this log. */
async function expectedStarts(file: string): Promise<number[] | null> {
  const name = basename(file).replace(/\.gz$/, '');
  const traces = process.env.FOG_TRACES;
  const folders = [dirname(resolve(file)), ...(traces === undefined ? [] : [resolve(traces, 'swf')])];
  for (const folder of folders) {
    for (const entry of (await entriesOf(folder)).filter((candidate) => /expected.*\.json$/.test(candidate))) {
      const parsed = expectedSchema.safeParse(JSON.parse(await readFile(join(folder, entry), 'utf8')));
      if (parsed.success && name in parsed.data.results) return parsed.data.start_indices;
    }
  }
  return null;
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
