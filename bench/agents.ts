/**
 * Ten thousand agents on one coordinator.
 *
 * Dispatch is measured with all of them connected: from the client's send of a one-task job to the agent's receipt.
 * Then a job of many tasks is handed out, each of which takes a while, and half of the agents are cut off in the
 * middle of it: with running attempts, and with results that nobody has acknowledged. They come back with their keys
 * and journals. In the end every task must have exactly one accepted result:
 *
 *     lost      tasks without an accepted result
 *     doubled   tasks with more than one accepted result, or counted more than once
 *     repeated  tasks that ran more than once: allowed, but a waste
 */
import { FogClient } from '../packages/contract/src/index.ts';
import { httpFetch } from '../packages/contract/src/node/index.ts';
import type { Benchmark, BenchmarkContext } from './benchmark.ts';
import { clockMilliseconds } from './clock.ts';
import { CoordinatorProcess } from './coordinator-process.ts';
import { ECONOMY_OPTION, economyOf } from './economy-option.ts';
import { noOpJob, uploadNoOp } from './no-op-job.ts';
import { measureSubmits } from './paced-submits.ts';
import { type CutReport, SimulatedAgents } from './simulated-agents.ts';
import { median, percentile, rounded } from './statistics.ts';
import { TemporaryFolder } from './temporary-folder.ts';

const MEGABYTE = 1e6;
const PAGE = 1000;

interface CutResult extends CutReport {
  lost: number;
  doubled: number;
  repeated: number;
  milliseconds: number;
}
interface RunResult extends CutResult {
  connectMilliseconds: number;
  submitToReceipt: number[];
  peakRssBytes: number;
}

export const agents: Benchmark = {
  name: 'agents',
  summary: 'memory and dispatch latency with thousands of agents; half of them cut off and reconnecting',
  options: {
    agents: { default: 10_000, description: 'simulated agents' },
    slots: { default: 4, description: 'slots of each agent' },
    rate: { default: 200, description: 'submits a second when latency is measured' },
    seconds: { default: 10, description: 'how long latency is measured' },
    tasks: { default: 20_000, description: 'tasks under way when half of the agents are cut off' },
    pause: { default: 3000, description: 'longest run of such a task, in milliseconds' },
    down: { default: 2000, description: 'the agents come back spread over so many milliseconds' },
    runs: { default: 3, description: 'of which the median is taken' },
    ...ECONOMY_OPTION,
  },
  async run(context) {
    const results: RunResult[] = [];
    for (let run = 1; run <= context.option('runs'); run += 1) results.push(await measure(context, run));
    const of = (value: (result: RunResult) => number) => rounded(median(results.map(value)));
    const total = (value: (result: RunResult) => number) => results.reduce((sum, result) => sum + value(result), 0);
    return {
      agents: context.option('agents'),
      slotsPerAgent: context.option('slots'),
      economy: economyOf(context),
      coordinatorMegabytes: of((result) => result.peakRssBytes / MEGABYTE),
      dispatchMilliseconds: {
        p50: of((result) => percentile(result.submitToReceipt, 0.5)),
        p99: of((result) => percentile(result.submitToReceipt, 0.99)),
      },
      connectSeconds: of((result) => result.connectMilliseconds / 1000),
      // Sums over all runs: one lost task is one too many.
      lost: total((result) => result.lost),
      doubled: total((result) => result.doubled),
      repeated: total((result) => result.repeated),
      cut: {
        tasks: context.option('tasks'),
        agents: of((result) => result.agents),
        runningAttempts: of((result) => result.running),
        unacknowledgedResults: of((result) => result.unacknowledged),
        seconds: of((result) => result.milliseconds / 1000),
      },
    };
  },
};

async function measure(context: BenchmarkContext, run: number): Promise<RunResult> {
  using folder = context.cleanup.use(new TemporaryFolder());
  await using coordinator = await CoordinatorProcess.start(
    { dataDirectory: folder.path, economy: economyOf(context) },
    context,
  );
  const { url, adminToken } = coordinator;
  const count = context.option('agents');
  const started = clockMilliseconds();
  await using simulated = await SimulatedAgents.start(
    // In each process half of the agents will be cut off.
    {
      url,
      joinToken: adminToken,
      count,
      slots: context.option('slots'),
      processes: Math.max(2, Math.ceil(count / 5000)),
    },
    context.cleanup,
  );
  const connectMilliseconds = clockMilliseconds() - started;
  const { rssBytes } = await coordinator.usage();
  const megabytes = (bytes: number) => `${Math.round(bytes / MEGABYTE)} MB`;
  context.progress(
    `run ${run}: ${count} agents in ${Math.round(connectMilliseconds)} ms, coordinator ${megabytes(rssBytes)}`,
  );
  const client = new FogClient({ url, token: adminToken, fetch: httpFetch() });
  await uploadNoOp(client);
  const pace = { submitsPerSecond: context.option('rate'), seconds: context.option('seconds') };
  const submitToReceipt = await measureSubmits(client, simulated, pace);
  const [p50, p99] = [percentile(submitToReceipt, 0.5), percentile(submitToReceipt, 0.99)];
  context.progress(`run ${run}: dispatch p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`);
  const cut = await cutHalf(context, client, simulated);
  const { peakRssBytes } = await coordinator.usage();
  context.progress(
    `run ${run}: lost ${cut.lost}, doubled ${cut.doubled}, repeated ${cut.repeated}; peak ${megabytes(peakRssBytes)}; ` +
      `cut with ${cut.running} attempts running and ${cut.unacknowledged} results unacknowledged`,
  );
  return { ...cut, connectMilliseconds, submitToReceipt, peakRssBytes };
}

async function cutHalf(context: BenchmarkContext, client: FogClient, simulated: SimulatedAgents): Promise<CutResult> {
  const tasks = context.option('tasks');
  await simulated.reset({ pauseMilliseconds: context.option('pause'), recordExecutions: true });
  const started = clockMilliseconds();
  const { id } = await client.call('submitJob', { body: { spec: noOpJob(tasks) } });
  // In the middle of it: some tasks have ended, many run, some may wait.
  await new Promise((resolve) => setTimeout(resolve, context.option('pause') / 3));
  const report = await simulated.cut({ share: 0.5, downMilliseconds: context.option('down') });
  await simulated.acknowledged(tasks);
  const milliseconds = clockMilliseconds() - started;
  const { counts, refusals } = await simulated.executions();
  if (refusals.length > 0) context.progress(`agents were refused: ${[...new Set(refusals)].join('; ')}`);
  const repeated = [...counts.values()].filter((times) => times > 1).length;
  return { ...report, ...(await compare(client, id, tasks)), repeated, milliseconds };
}

/** What the coordinator says of each task. */
async function compare(client: FogClient, job: string, tasks: number): Promise<{ lost: number; doubled: number }> {
  let lost = 0;
  let doubled = 0;
  let seen = 0;
  let cursor: string | undefined;
  do {
    const page = await client.call('listTasks', {
      params: { job },
      query: { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) },
    });
    for (const task of page.items) {
      const accepted = task.attempts.filter((attempt) => attempt.state === 'valid');
      if (task.state !== 'succeeded' || accepted[0]?.fence !== task.acceptedFence) lost += 1;
      if (accepted.length > 1) doubled += 1;
    }
    seen += page.items.length;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  const { tasks: counts } = await client.call('getJob', { params: { job } });
  return { lost: lost + Math.max(0, tasks - seen), doubled: doubled + Math.max(0, counts.succeeded - tasks) };
}
