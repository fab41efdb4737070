/** Verified jobs over real WebSockets: nodes of different owners and networks, some of which lie. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type AttemptName, coordinatorSettingsSchema, FogClient, type Job } from '@fog/contract';
import { type RunningCoordinator, startCoordinator } from '../../src/index.ts';
import { VerifyingNode } from './verifying-node.ts';

const MODULE = Buffer.from('a module');
const MODULE_DIGEST = `sha256:${createHash('sha256').update(MODULE).digest('hex')}`;
const RIGHT = ({ partition }: Pick<AttemptName, 'partition'>) => `right ${partition}`;

let directory: string;
let coordinator: RunningCoordinator;
let admin: FogClient;
const nodes: VerifyingNode[] = [];

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fog-verified-'));
  const settings = coordinatorSettingsSchema.parse({ listen: '127.0.0.1:0' });
  coordinator = await startCoordinator({ dataDirectory: directory, settings });
  admin = new FogClient({ url: coordinator.url, token: coordinator.adminToken });
  await admin.putBlob(MODULE_DIGEST, MODULE);
});

after(async () => {
  await coordinator.close();
  await rm(directory, { recursive: true, force: true });
});

/** Joins a node; without an owner it gets one, as without a network. */
async function joinNode(
  answer: (name: AttemptName) => string,
  { owner, network = nodes.length + 1, trusted = false }: { owner?: string; network?: number; trusted?: boolean } = {},
): Promise<VerifyingNode> {
  const principal = owner ?? `owner-${nodes.length}`;
  const { token: joinToken } = await coordinator.createToken({ scope: 'node', principal, trusted });
  const { url } = coordinator;
  const node = new VerifyingNode({
    url,
    joinToken,
    name: `node-${nodes.length}`,
    localAddress: `127.0.${network}.1`,
    answer,
  });
  nodes.push(node);
  await node.connect();
  return node;
}

async function removeNodes(): Promise<void> {
  for (const node of nodes) {
    await node.close();
    await admin.call('removeNode', { params: { node: node.key.id } });
  }
  nodes.length = 0;
}

async function run(count: number, verification: object): Promise<Job> {
  const task = {
    runtime: 'wasm',
    wasm: { module: MODULE_DIGEST },
    outputs: [{ name: 'result', path: '/result' }],
    resources: { cpu: '100m', memory: '1Mi', disk: '1Mi' },
  };
  const spec = { kind: 'Job', spec: { count, task, verification } };
  let job = await admin.call('submitJob', { body: { spec } });
  const deadline = performance.now() + 30_000;
  while (job.endedAt === null) {
    assert.ok(performance.now() < deadline, JSON.stringify(job.tasks));
    await new Promise((resolve) => setTimeout(resolve, 20));
    job = await admin.call('getJob', { params: { job: job.id } });
  }
  return job;
}

/** What the tasks of the job have answered, by partition. */
async function results({ id }: Job): Promise<string[]> {
  const { items } = await admin.call('listTasks', { params: { job: id }, query: { limit: 1000 } });
  return await Promise.all(
    items.map(async ({ outputs: [output] }) => {
      const chunks = await Array.fromAsync(await admin.getBlob(output?.digest ?? ''));
      return Buffer.concat(chunks).toString();
    }),
  );
}

const rightOnes = (count: number) => Array.from({ length: count }, (_, partition) => RIGHT({ partition }));

test('a liar in a fifth of its results, and accomplices at one owner, among honest nodes', async () => {
  let computed = 0;
  const liar = await joinNode((name) => (++computed % 5 === 0 ? `wrong ${computed}` : RIGHT(name)));
  const accomplices = [
    await joinNode(() => 'our answer', { owner: 'mallory' }),
    await joinNode(() => 'our answer', { owner: 'mallory' }),
  ];
  for (let honest = 0; honest < 4; honest += 1) await joinNode(RIGHT);
  const job = await run(60, { mode: 'adaptive' });
  assert.equal(job.state, 'completed');
  assert.deepEqual(await results(job), rightOnes(60));
  for (const node of [liar, ...accomplices]) {
    const { trust } = await admin.call('getNode', { params: { node: node.key.id } });
    assert.equal(trust.wasm?.standing, 'suspect');
    assert.ok((trust.wasm?.invalid ?? 0) > 0);
  }
  const { items } = await admin.call('listTasks', { params: { job: job.id }, query: {} });
  for (const { verification, attempts } of items) {
    assert.equal(verification?.phase, 'accepted');
    const shown = attempts.filter(({ state }) => ['valid', 'confirmed', 'invalid'].includes(state));
    const owners = await Promise.all(
      shown.map(async ({ nodeId }) => (await admin.call('getNode', { params: { node: nodeId } })).owner),
    );
    assert.equal(new Set(owners).size, owners.length, 'replicas are of different owners');
  }
  await removeNodes();
});

test('replicas that differ are decided by a trusted node, which alone is not verified', async () => {
  const own = await joinNode(RIGHT, { owner: 'admin', trusted: true });
  await admin.call('cordonNode', { params: { node: own.key.id }, body: { cordoned: true } });
  await joinNode(() => 'one wrong answer');
  await joinNode(() => 'another wrong answer');
  const running = run(3, { mode: 'replicate', maxReplicas: 2 });
  await new Promise((resolve) => setTimeout(resolve, 200));
  await admin.call('cordonNode', { params: { node: own.key.id }, body: { cordoned: false } });
  const job = await running;
  assert.deepEqual(await results(job), rightOnes(3));
  assert.equal(own.commitments.length, 0);
  const metrics = await (await fetchMetrics()).text();
  assert.match(metrics, /fog_verdicts_total\{verdict="invalid"\} [1-9]/);
  assert.match(metrics, /fog_results_per_verified_task_count\{by="trusted"\} 3/);
  await removeNodes();
});

function fetchMetrics(): Promise<Response> {
  return fetch(`${coordinator.url}/metrics`, { headers: { authorization: `Bearer ${coordinator.adminToken}` } });
}
