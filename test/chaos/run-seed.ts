/** One run: start everything, load it, let the faults strike, wait for calm, look at what is left. */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FogClient } from '../../packages/contract/src/index.ts';
import { openDatabase } from '../../packages/coordinator/src/store/open-database.ts';
import type { TestEngine } from '../support/docker-engine.ts';
import { Cluster } from './cluster.ts';
import {
  askJobs,
  type Evidence,
  fetchContents,
  isDrained,
  readAgents,
  readLedgerFaults,
  readRows,
} from './evidence.ts';
import { findLeftovers, removeNodeGroups } from './leftovers.ts';
import { type LoadResult, persist, runLoad } from './load-client.ts';
import { REAL_PROGRAMS } from './real-programs.ts';
import { AGENT_SLOTS, type ProgramDigests, type Schedule } from './schedule.ts';

export interface RunOptions {
  schedule: Schedule;
  /** Made; everything of this run lies in it. */
  directory: string;
  databaseUrl: string | null;
  compileCache: string;
  /** Of the containers of a mixed schedule; null where there are none. */
  containers: TestEngine | null;
  /** Told what strikes, as it does. */
  onStep?: (text: string) => void;
}

const POLL_MILLISECONDS = 50;
/** Key of the job that finds out whether every node is free again. */
const PROBE = 'probe';

/** Answers what the run has left. Throws when it cannot even be started or looked at. */
export async function runSeed(options: RunOptions): Promise<Evidence> {
  const { schedule, directory, databaseUrl } = options;
  await mkdir(directory, { recursive: true });
  const cluster = await Cluster.start(options);
  try {
    const programs = await storePrograms(cluster.directClient, schedule);
    const load = await strikeUnderLoad(cluster, programs, options);
    await using database = disposable(
      await openDatabase({ dataDirectory: cluster.dataDirectory, url: databaseUrl ?? undefined }),
    );
    const patience = AbortSignal.timeout(schedule.patienceMilliseconds);
    const rest = { cluster, database: database.value, patience };
    await probeNodes(rest, programs.wasm);
    await untilDrained(rest);
    await untilSettled(rest);
    return await gather(rest, load, options);
  } finally {
    await cluster.stop();
  }
}

async function storePrograms(client: FogClient, { isMixed }: Schedule): Promise<ProgramDigests> {
  const neverLookedAt = Buffer.from('the program');
  const { wasm, javascript } = isMixed ? REAL_PROGRAMS : { wasm: neverLookedAt, javascript: neverLookedAt };
  const store = async (program: Uint8Array): Promise<string> => {
    const digest = `sha256:${createHash('sha256').update(program).digest('hex')}`;
    await client.putBlob(digest, program);
    return digest;
  };
  return { wasm: await store(wasm), javascript: await store(javascript) };
}

async function strikeUnderLoad(cluster: Cluster, programs: ProgramDigests, options: RunOptions): Promise<LoadResult> {
  const { schedule, onStep } = options;
  const patience = AbortSignal.timeout(schedule.calmMilliseconds + schedule.patienceMilliseconds);
  const load = runLoad(cluster.client, schedule, programs, patience);
  const faults = schedule.faults.map(async (fault) => {
    await sleep(fault.atMilliseconds);
    onStep?.(`${fault.atMilliseconds} ms: ${JSON.stringify(fault.action)}`);
    await cluster.strike(fault);
  });
  await Promise.all(faults);
  onStep?.('calm');
  const result = await load;
  onStep?.('all submits are acknowledged');
  await untilEnded(cluster, patience);
  onStep?.('all jobs have ended');
  return result;
}

/** Waits until no job goes on, or patience ends: then the checks tell what is missing. */
async function untilEnded(cluster: Cluster, patience: AbortSignal): Promise<void> {
  await until(patience, async () => {
    const { items } = await cluster.directClient.call('listJobs', { query: { limit: 1000 } });
    return items.every((job) => job.endedAt !== null);
  });
}

interface Rest {
  cluster: Cluster;
  database: Awaited<ReturnType<typeof openDatabase>>;
  patience: AbortSignal;
}

/** A job that needs every node as a whole ends only if all places that ended attempts held have been given back. */
async function probeNodes({ cluster, patience }: Rest, digest: string): Promise<void> {
  await until(patience, async () => {
    const { items } = await cluster.directClient.call('listNodes');
    const connected = items.filter((node) => node.state === 'connected').map((node) => node.name);
    return cluster.agents.every(({ isDead }, index) => connected.includes(`agent-${index}`) === !isDead);
  });
  const args = [JSON.stringify({ engine: 'plan', key: PROBE, longestMilliseconds: 1, kind: 'steady', outputBytes: 0 })];
  const resources = { cpu: String(AGENT_SLOTS), memory: '1Gi', disk: '1Gi' };
  const outputs = [{ name: 'result', path: '/out/result' }];
  const spec = {
    kind: 'Job',
    metadata: { name: PROBE },
    spec: { type: 'ops', task: { runtime: 'wasm', wasm: { module: digest }, args, resources, outputs } },
  };
  const submit = (client: FogClient, signal: AbortSignal) =>
    client.call('submitJob', { body: { spec, idempotencyKey: PROBE } }, { signal });
  await persist(patience, (signal) => submit(cluster.directClient, signal)).catch(() => undefined);
  await untilEnded(cluster, patience);
}

async function untilDrained({ cluster, database, patience }: Rest): Promise<void> {
  await until(patience, async () => {
    const nodes = await database.read.selectFrom('nodes').select(['name', 'journal_id', 'acknowledged']).execute();
    return isDrained(await readAgents(cluster.agents), nodes);
  });
}

/** Waits until nothing is left in escrow, or patience ends. */
async function untilSettled({ database, patience }: Rest): Promise<void> {
  await until(patience, async () => {
    const open = await database.read.selectFrom('jobs').select('id').where('escrow_open', '=', 1).execute();
    return open.length === 0;
  });
}

async function gather({ cluster, database, patience }: Rest, load: LoadResult, options: RunOptions): Promise<Evidence> {
  const { schedule, containers } = options;
  const client = cluster.directClient;
  const { items } = await client.call('listJobs', { query: { limit: 1000 } });
  const answers = await askJobs(
    client,
    items.map((job) => job.id),
  );
  const { items: nodeAnswers } = await client.call('listNodes');
  const accepted = await database.read.selectFrom('tasks').select('outputs').where('state', '=', 'succeeded').execute();
  const contents = await fetchContents(client, accepted);
  let leftovers: string[] = [];
  await until(patience, async () => {
    leftovers = await findLeftovers(cluster.agents, containers);
    return leftovers.length === 0;
  });
  const crashes = [...cluster.crashes];
  await cluster.stop();
  if (containers !== null) await removeNodeGroups(cluster.agents.map(({ nodeId }) => nodeId));
  const rows = await readRows(database);
  const ledgerFaults = await readLedgerFaults(database);
  const agents = await readAgents(cluster.agents);
  return { schedule, load, crashes, leftovers, ...rows, answers, nodeAnswers, agents, ledgerFaults, contents };
}

/** Resolves when the condition holds or patience ends. A question that fails is asked again. */
async function until(patience: AbortSignal, condition: () => Promise<boolean>): Promise<void> {
  while (!patience.aborted && !(await condition().catch(() => false))) await sleep(POLL_MILLISECONDS);
}

function disposable<Value extends { close(): Promise<void> }>(value: Value): AsyncDisposable & { value: Value } {
  return { value, [Symbol.asyncDispose]: () => value.close() };
}
