/**
 * Throughput and latency of dispatch, peers beside us.
 *
 * Ours: one job of no-op tasks, from the client's send of the submit until the agents have the acknowledgement of the
 * last result, which means it is on disk. The events of every task are written in the same transactions. The agents
 * are in one other process, over real WebSockets; each has SLOTS slots.
 *
 * Peers: the same number of jobs, from the start of the workers until the last completion is on disk, at concurrency
 * 100 with the batching that their documentation offers. Queueing them is measured too, and stated apart.
 */
import type { Benchmark, BenchmarkContext } from './benchmark.ts';
import { type DispatchRun, runDispatch } from './dispatch-run.ts';
import { ECONOMY_OPTION, economyOf } from './economy-option.ts';
import { peerVersions, reasonOf, runPeer } from './peers.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { type RedisServer, startRedis } from './redis.ts';
import { medianOrNull, percentile, rounded, roundedOrNull } from './statistics.ts';

const CONCURRENCY = 100;

interface PeerResult {
  enqueueMilliseconds: number;
  processMilliseconds: number;
}
export const dispatch: Benchmark = {
  name: 'dispatch',
  summary: 'no-op tasks a second from submit to the last durable completion, and latency from submit to start',
  options: {
    tasks: { default: 100_000, description: 'no-op tasks of one job' },
    agents: { default: 100, description: 'simulated agents' },
    slots: { default: 16, description: 'slots of each agent' },
    rate: { default: 100, description: 'submits a second when latency is measured' },
    seconds: { default: 10, description: 'how long latency is measured' },
    runs: { default: 3, description: 'of which the median is taken' },
    peers: { default: 1, description: '0 leaves the peers out' },
    ...ECONOMY_OPTION,
  },
  async run(context) {
    const servers = await startServers(context);
    const load = {
      tasks: context.option('tasks'),
      agents: context.option('agents'),
      slots: context.option('slots'),
      pace: { submitsPerSecond: context.option('rate'), seconds: context.option('seconds') },
      economy: economyOf(context),
    };
    const sqlite: DispatchRun[] = [];
    const postgres: DispatchRun[] = [];
    const peers: Record<string, (PeerResult | null)[]> = { 'graphile-worker': [], 'pg-boss': [], bullmq: [] };
    for (let run = 1; run <= context.option('runs'); run += 1) {
      sqlite.push(await runDispatch(context, `sqlite, run ${run}`, load));
      if (servers.postgres !== null) {
        const databaseUrl = servers.postgres.createDatabase(`fog${run}`);
        postgres.push(await runDispatch(context, `postgres, run ${run}`, { ...load, databaseUrl }));
      }
      if (context.option('peers') === 0) continue;
      for (const [name, results] of Object.entries(peers)) results.push(await measurePeer(context, servers, name, run));
    }
    return report(context, servers, { sqlite, postgres, peers });
  },
};

interface Servers {
  postgres: PostgresServer | null;
  redis: RedisServer | null;
}

async function startServers(context: BenchmarkContext): Promise<Servers> {
  const start = async <Server>(name: string, starting: Promise<Server>): Promise<Server | null> => {
    try {
      return await starting;
    } catch (error) {
      context.progress(`${name} is unavailable: ${reasonOf(error)}`);
      return null;
    }
  };
  const postgres = await start('PostgreSQL', startPostgres(context.cleanup));
  return { postgres, redis: context.option('peers') === 0 ? null : await start('Redis', startRedis(context.cleanup)) };
}

async function measurePeer(
  context: BenchmarkContext,
  servers: Servers,
  name: string,
  run: number,
): Promise<PeerResult | null> {
  const server = name === 'bullmq' ? servers.redis : servers.postgres;
  if (server === null) return null;
  const address =
    'socketPath' in server
      ? { socketPath: server.socketPath, queue: `noop${run}` }
      : { url: server.createDatabase(`${name.replace('-', '_')}${run}`) };
  const jobs = context.option('tasks');
  const result = await runPeer<PeerResult>(name, { ...address, jobs, concurrency: CONCURRENCY }, context);
  if (result === null) return null;
  const perSecond = Math.round((jobs / result.processMilliseconds) * 1000);
  context.progress(`${name}, run ${run}: ${perSecond} jobs/s, queued in ${Math.round(result.enqueueMilliseconds)} ms`);
  return result;
}

function report(
  context: BenchmarkContext,
  servers: Servers,
  results: { sqlite: DispatchRun[]; postgres: DispatchRun[]; peers: Record<string, (PeerResult | null)[]> },
): Record<string, unknown> {
  const tasks = context.option('tasks');
  const own = (list: DispatchRun[]) => roundedOrNull(medianOrNull(list.map((result) => result.tasksPerSecond)));
  const peer = (name: string, milliseconds: (result: PeerResult) => number) =>
    roundedOrNull(
      medianOrNull((results.peers[name] ?? []).map((result) => result && (tasks / milliseconds(result)) * 1000)),
    );
  const processing = (result: PeerResult) => result.processMilliseconds;
  const whole = (result: PeerResult) => result.enqueueMilliseconds + result.processMilliseconds;
  const latency = (list: DispatchRun[], share: number) => {
    const shares = list.flatMap(({ submitToStart }) =>
      submitToStart.length === 0 ? [] : [percentile(submitToStart, share)],
    );
    return roundedOrNull(medianOrNull(shares));
  };
  return {
    tasks,
    agents: context.option('agents'),
    slotsPerAgent: context.option('slots'),
    economy: economyOf(context),
    tasksPerSecond: {
      sqlite: own(results.sqlite),
      postgres: own(results.postgres),
      graphileWorker: peer('graphile-worker', processing),
      pgBoss: peer('pg-boss', processing),
      bullmq: peer('bullmq', processing),
    },
    tasksPerSecondWithEnqueue: {
      graphileWorker: peer('graphile-worker', whole),
      pgBoss: peer('pg-boss', whole),
      bullmq: peer('bullmq', whole),
    },
    submitToStartMilliseconds: { p50: latency(results.sqlite, 0.5), p99: latency(results.sqlite, 0.99) },
    submitToStartMillisecondsPostgres: { p50: latency(results.postgres, 0.5), p99: latency(results.postgres, 0.99) },
    coordinatorCpuMicrosecondsPerTask: {
      sqlite: cpuPerTask(results.sqlite, tasks),
      postgres: cpuPerTask(results.postgres, tasks),
    },
    durability: {
      sqlite: 'WAL, synchronous=FULL',
      postgres: 'defaults: fsync=on, synchronous_commit=on',
      redis: 'appendonly yes, appendfsync always',
    },
    versions: { postgres: servers.postgres?.version ?? null, redis: servers.redis?.version ?? null, ...peerVersions() },
  };
}

function cpuPerTask(results: DispatchRun[], tasks: number): number | null {
  const value = medianOrNull(results.map((result) => result.coordinatorCpuMilliseconds));
  return value === null ? null : rounded((value * 1000) / tasks);
}
