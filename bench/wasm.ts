/**
 * A no-op WebAssembly module on a real node: from the client's send of the submit until the client knows that the
 * task has succeeded, which it learns from the event stream of the job. One job at a time.
 */
import { join } from 'node:path';
import { FogClient } from '../packages/contract/src/index.ts';
import { httpFetch } from '../packages/contract/src/node/index.ts';
import { startAgentProcess } from './agent-process.ts';
import type { Benchmark, BenchmarkContext } from './benchmark.ts';
import { CoordinatorProcess } from './coordinator-process.ts';
import { ECONOMY_OPTION, economyOf } from './economy-option.ts';
import { noOpJob, uploadNoOp } from './no-op-job.ts';
import { median, percentile, rounded } from './statistics.ts';
import { TemporaryFolder } from './temporary-folder.ts';

const RESOURCES = { cpu: '100m', memory: '16Mi', disk: '16Mi' };
const WARM_UP_JOBS = 100;

export const wasm: Benchmark = {
  name: 'wasm',
  summary: 'milliseconds from the submit of a no-op WebAssembly task to its result',
  options: {
    jobs: { default: 1000, description: 'submitted one after the other' },
    slots: { default: 2, description: 'slots of the node, and so its warm processes' },
    runs: { default: 3, description: 'of which the median is taken' },
    ...ECONOMY_OPTION,
  },
  async run(context) {
    const runs: number[][] = [];
    for (let run = 1; run <= context.option('runs'); run += 1) {
      const times = await measure(context);
      runs.push(times);
      const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)];
      context.progress(`run ${run}: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`);
    }
    const at = (share: number) => rounded(median(runs.map((times) => percentile(times, share))));
    return {
      jobs: context.option('jobs'),
      slots: context.option('slots'),
      economy: economyOf(context),
      submitToResultMilliseconds: { p50: at(0.5), p90: at(0.9), p99: at(0.99) },
    };
  },
};

async function measure(context: BenchmarkContext): Promise<number[]> {
  using folder = context.cleanup.use(new TemporaryFolder());
  await using coordinator = await CoordinatorProcess.start(
    { dataDirectory: join(folder.path, 'coordinator'), economy: economyOf(context) },
    context,
  );
  const { url, adminToken: token } = coordinator;
  await using _agent = await startAgentProcess(
    { dataDirectory: join(folder.path, 'node'), url, token, name: 'node', slots: context.option('slots'), trusted: [] },
    context.cleanup,
  );
  const client = new FogClient({ url, token, fetch: httpFetch() });
  await uploadNoOp(client);
  const times: number[] = [];
  for (let job = 0; job < context.option('jobs') + WARM_UP_JOBS; job += 1) {
    const start = performance.now();
    await runOne(client);
    if (job >= WARM_UP_JOBS) times.push(performance.now() - start);
  }
  return times;
}

async function runOne(client: FogClient): Promise<void> {
  const { id } = await client.call('submitJob', { body: { spec: noOpJob(1, RESOURCES) } });
  for await (const { data } of client.follow('jobEvents', { params: { job: id } })) {
    if (data.type === 'job.completed') return;
    if (data.type === 'attempt.failed') throw new Error(`the task failed: ${data.reason}: ${data.message}`);
  }
  throw new Error(`job ${id} ended without a result`);
}
