/** One job of no-op tasks through a coordinator in a process of its own. */
import { FogClient } from '../packages/contract/src/index.ts';
import { httpFetch } from '../packages/contract/src/node/index.ts';
import type { BenchmarkContext } from './benchmark.ts';
import { clockMilliseconds } from './clock.ts';
import { CoordinatorProcess } from './coordinator-process.ts';
import { noOpJob, uploadNoOp } from './no-op-job.ts';
import { measureSubmits } from './paced-submits.ts';
import { SimulatedAgents } from './simulated-agents.ts';
import { percentile } from './statistics.ts';
import { TemporaryFolder } from './temporary-folder.ts';

export interface DispatchLoad {
  tasks: number;
  agents: number;
  slots: number;
  /** Latency is measured afterwards; 0 seconds leave it out. */
  pace: { submitsPerSecond: number; seconds: number };
  /** PostgreSQL; without it SQLite. */
  databaseUrl?: string;
  /** Whether tasks are paid for; the nodes are another's then. */
  economy?: 'on' | 'off';
}

export interface DispatchRun {
  tasksPerSecond: number;
  coordinatorCpuMilliseconds: number;
  submitToStart: number[];
}

export async function runDispatch(context: BenchmarkContext, title: string, load: DispatchLoad): Promise<DispatchRun> {
  const { tasks, databaseUrl, economy = 'off', pace } = load;
  using folder = context.cleanup.use(new TemporaryFolder());
  await using coordinator = await CoordinatorProcess.start(
    { dataDirectory: folder.path, databaseUrl, economy },
    context,
  );
  const { url, adminToken } = coordinator;
  const client = new FogClient({ url, token: adminToken, fetch: httpFetch() });
  const joinToken = economy === 'off' ? adminToken : await tokenOfAnother(client);
  await using agents = await SimulatedAgents.start(
    { url, joinToken, count: load.agents, slots: load.slots, processes: 1 },
    context.cleanup,
  );
  await uploadNoOp(client);
  await agents.reset();
  const before = await coordinator.usage();
  const sentAt = clockMilliseconds();
  const { id } = await client.call('submitJob', { body: { spec: noOpJob(tasks) } });
  const milliseconds = (await agents.acknowledged(tasks)) - sentAt;
  const after = await coordinator.usage();
  await verify(client, id, tasks);
  if (economy === 'on') await verifyPaid(client, id, tasks);
  const coordinatorCpuMilliseconds = after.cpuMilliseconds - before.cpuMilliseconds;
  const tasksPerSecond = (tasks / milliseconds) * 1000;
  context.progress(
    `${title}: ${Math.round(tasksPerSecond)} tasks/s, coordinator's CPU ${Math.round(coordinatorCpuMilliseconds)} ms`,
  );
  const submitToStart = pace.seconds === 0 ? [] : await measureSubmits(client, agents, pace);
  if (submitToStart.length > 0) {
    const [p50, p99] = [percentile(submitToStart, 0.5), percentile(submitToStart, 0.99)];
    context.progress(`${title}: submit to start p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`);
  }
  return { tasksPerSecond, coordinatorCpuMilliseconds, submitToStart };
}

async function tokenOfAnother(client: FogClient): Promise<string> {
  const { token } = await client.call('createToken', { body: { scope: 'node', principal: 'olga', trusted: true } });
  return token;
}

/** All tasks succeeded, and their events are there. */
async function verify(client: FogClient, job: string, tasks: number): Promise<void> {
  const { state, tasks: counts } = await client.call('getJob', { params: { job } });
  if (state !== 'completed' || counts.succeeded !== tasks)
    throw new Error(`job ${job} is ${state}: ${JSON.stringify(counts)}`);
  // job.submitted, job.queued, job.started, job.completed, and two for each task.
  const last = 4 + 2 * tasks;
  const { items } = await client.call('jobEvents', { params: { job }, query: { after: last - 1 } });
  if (items.length !== 1 || items[0]?.sequence !== last || items[0].data.type !== 'job.completed') {
    throw new Error(`the events of job ${job} do not end with the ${last}th, job.completed: ${JSON.stringify(items)}`);
  }
}

/** Each task was paid, by a micro-FOG at least. */
async function verifyPaid(client: FogClient, job: string, tasks: number): Promise<void> {
  const { paid, fees } = await client.call('getJobPayment', { params: { job } });
  if (BigInt(paid) + BigInt(fees) < BigInt(tasks))
    throw new Error(`job ${job} paid ${paid} micro-FOG for ${tasks} tasks`);
}
