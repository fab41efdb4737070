/** Work that moves: by exit code 85, by a drain, by the death of a node; and work that stands still for a while. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { JobSpecInput, TaskWithAttempts } from '@fog/contract';
import { Fog, type JobHandle } from '@fog/sdk';
import { skipProcess } from '../../packages/runtimes/test/process/programs.ts';
import { skipWithoutDocker, TEST_IMAGE, TestEngine } from '../support/docker-engine.ts';
import { fog as command, type FogProcess, startFog, temporaryFolder } from '../support/fog-process.ts';

type TaskInput = JobSpecInput['spec']['task'];

let data: string;
let running: FogProcess;
let fog: Fog;

/** Counts in /checkpoint/n from where it was, a line a step; `step` may end it. */
const counter = (step: string, last = 6) => `
  n=$(cat /checkpoint/n 2>/dev/null || echo 0); echo "restored $FOG_RESTORED at $n"
  while [ "$n" -lt ${last} ]; do n=$((n + 1)); echo $n > /checkpoint/n.new; mv /checkpoint/n.new /checkpoint/n; echo "at $n"
    ${step}; done; echo $n > /out/result`;

const PROCESS = (script: string): TaskInput => ({
  runtime: 'process',
  process: { command: ['/bin/sh', '-c', script] },
});
const DOCKER = (script: string): TaskInput => ({
  runtime: 'docker',
  docker: { image: TEST_IMAGE, pull: 'never', command: ['/bin/sh', '-c', script] },
});

function run(task: TaskInput, spec: Partial<JobSpecInput['spec']> = {}): Promise<JobHandle> {
  const outputs = [{ name: 'result', path: '/out/result' }];
  const resources = { cpu: '100m', memory: '64Mi', disk: '1Mi' };
  return fog.run({ kind: 'Job', spec: { ...spec, task: { checkpoint: {}, outputs, resources, ...task } } });
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await condition()) return;
    await pause(50);
  }
  assert.fail(`waited in vain for ${what}`);
}

async function log(job: JobHandle): Promise<string> {
  const page = await fog.client.call('jobLogs', { params: { job: job.id } });
  return page.items.map(({ text }) => text).join('');
}

const task = (job: JobHandle): Promise<TaskWithAttempts> =>
  fog.client.call('getTask', { params: { job: job.id, partition: 0 } });

/** Where its last attempt is, and in which state. */
async function attempt(job: JobHandle) {
  return (await task(job)).attempts.at(-1) ?? assert.fail('there is no attempt');
}

/** Nothing is placed on the node meanwhile. */
async function without(node: string, work: () => Promise<void>): Promise<void> {
  await fog.client.call('cordonNode', { params: { node }, body: { cordoned: true } });
  await work();
  await fog.client.call('cordonNode', { params: { node }, body: { cordoned: false } });
}

/** It counted on, nothing failed, and what counted last was elsewhere. */
async function assertMoved(job: JobHandle, states: string[]): Promise<void> {
  const { job: ended } = await job.wait({ timeoutMilliseconds: 15_000 });
  assert.equal(ended.state, 'completed', await log(job));
  const { attempts, jobFailures, outputs } = await task(job);
  assert.deepEqual(
    attempts.map(({ state }) => state),
    states,
  );
  assert.equal(jobFailures, 0);
  assert.notEqual(attempts[0]?.nodeId, attempts.at(-1)?.nodeId);
  assert.equal(outputs.length, 1);
}

/** Folders of checkpoints on all nodes. */
function leftovers(): string[] {
  return readdirSync(data, { recursive: true, encoding: 'utf8' }).filter((path) => /\/checkpoints\/[^/]+$/.test(path));
}

async function begin(nodes: number): Promise<void> {
  data = temporaryFolder('checkpoints');
  running = await startFog(data, ['--nodes', String(nodes)]);
  fog = await Fog.connect({ dataDirectory: data, environment: {} });
}

async function end(): Promise<void> {
  await until('the removal of all checkpoints', async () => leftovers().length === 0);
  assert.equal(await running.interrupt(), 0);
}

describe('native programs with checkpoints', { skip: skipProcess }, () => {
  before(() => begin(3));
  after(end);

  test('one that ends with code 85 at 3 is finished by another node from there', async () => {
    const job = await run(PROCESS(counter('[ $n = 3 ] && { sleep 2; exit 85; }')));
    await until('the third step', async () => (await log(job)).includes('at 3'));
    const { nodeId } = await attempt(job);
    await without(nodeId, () => assertMoved(job, ['yielded', 'valid']));
    assert.match(await log(job), /^restored 0 at 0\nat 1\nat 2\nat 3\nrestored 1 at 3\nat 4\nat 5\nat 6\n$/);
  });

  test('a suspended one stands still, and goes on when it is resumed', async () => {
    const job = await run(PROCESS(counter('sleep 0.02', 100_000)), { suspend: { keepLease: '1h' } });
    await until('its start', async () => (await log(job)).includes('at 5'));
    const told = await command(data, 'job', 'suspend', job.id);
    assert.match(told.stderr, /is suspended/, told.stderr);
    await until('the suspension', async () => (await attempt(job)).state === 'suspended');
    await until('the checkpoint', async () => (await task(job)).checkpoint !== null);
    assert.match((await command(data, 'job', 'get', job.id)).stdout, /suspended[\s\S]*checkpoint of \d+ B/);
    const before = await log(job);
    await pause(700);
    assert.equal(await log(job), before, 'it has run on');
    await command(data, 'job', 'resume', job.id);
    await until('more steps', async () => (await log(job)).length > before.length);
    await job.suspend();
    await until('the suspension', async () => (await attempt(job)).state === 'suspended');
    await job.cancel();
    assert.equal((await job.wait()).job.state, 'cancelled');
  });

  test('a suspended one that may not keep its place waits without a node', async () => {
    const job = await run(PROCESS(counter('sleep 0.05', 40)), { suspend: { keepLease: '1ms' } });
    await until('its start', async () => (await log(job)).includes('at 5'));
    await job.suspend(0);
    await until('the yield', async () => (await attempt(job)).state === 'yielded');
    const { state, suspended, checkpoint } = await task(job);
    assert.deepEqual([state, suspended], ['queued', true]);
    // Where it stood still between the two files of a step there are both.
    assert.ok([1, 2].includes(checkpoint?.files ?? 0), `${checkpoint?.files} files`);
    await job.resume(0);
    assert.equal((await job.wait({ timeoutMilliseconds: 30_000 })).job.state, 'completed');
    assert.match(await log(job), /restored 1 at ([5-9]|[1-3]\d)\n/);
  });

  test('a node that is killed loses what came after the last period', async () => {
    const job = await run({ ...PROCESS(counter('sleep 0.1', 40)), checkpoint: { every: '1s' } });
    await until('a checkpoint', async () => (await task(job)).checkpoint !== null);
    const { nodeId } = await attempt(job);
    const nodes = running.ready.nodes as { id: string; pid: number }[];
    await without(nodeId, async () => {
      process.kill(nodes.find(({ id }) => id === nodeId)?.pid ?? 0, 'SIGKILL');
      await assertMoved(job, ['failed', 'valid']);
    });
    assert.match(await log(job), /restored 1 at [1-9]/);
  });

  test('a drained node asks it to end, and another goes on', async () => {
    const job = await run(PROCESS(`trap 'exit 1' TERM; ${counter('sleep 0.1', 30)}`));
    await until('its start', async () => (await log(job)).includes('at 5'));
    const { nodeId } = await attempt(job);
    await fog.client.call('drainNode', { params: { node: nodeId }, body: { deadline: '1h' } });
    await assertMoved(job, ['yielded', 'valid']);
    assert.match(await log(job), /restored 1 at ([5-9]|[12]\d)\n/);
  });

  test('the whole fog stops and starts again: it is asked to end, and goes on', async () => {
    const job = await run(PROCESS(`trap 'exit 1' TERM; ${counter('sleep 0.1', 30)}`));
    await until('its start', async () => (await log(job)).includes('at 5'));
    assert.equal(await running.interrupt(), 0);
    running = await startFog(data, ['--nodes', '3']);
    fog = await Fog.connect({ dataDirectory: data, environment: {} });
    const again = fog.job(job.id);
    assert.equal((await again.wait({ timeoutMilliseconds: 15_000 })).succeeded, true, await log(again));
    const { attempts, nodeFailures } = await task(again);
    assert.deepEqual([nodeFailures, ...attempts.map(({ state }) => state)], [0, 'yielded', 'valid']);
    assert.match(await log(again), /restored 1 at ([5-9]|[12]\d)\n/);
  });
});

describe('containers with checkpoints', { skip: skipWithoutDocker() }, () => {
  let engine: TestEngine;
  before(async () => {
    engine = await TestEngine.start();
    process.env.DOCKER_HOST = `unix://${engine.socketPath}`;
    await begin(2);
  });
  after(async () => {
    delete process.env.DOCKER_HOST;
    await end();
    await engine.stop();
  });

  test('code 85, a suspension over the death of the agent, and a drain', async () => {
    const yielding = await run(DOCKER(counter('[ $n = 3 ] && { sleep 2; exit 85; }')));
    await until('the third step', async () => (await log(yielding)).includes('at 3'));
    const { nodeId: first } = await attempt(yielding);
    await without(first, () => assertMoved(yielding, ['yielded', 'valid']));
    const moving = await run(DOCKER(`trap 'exit 1' TERM; ${counter('sleep 0.1', 60)}`));
    await until('its start', async () => (await log(moving)).includes('at 5'));
    await moving.suspend();
    await until('the suspension', async () => (await attempt(moving)).state === 'suspended');
    const { nodeId } = await attempt(moving);
    const nodes = running.ready.nodes as { id: string; pid: number }[];
    process.kill(nodes.find(({ id }) => id === nodeId)?.pid ?? 0, 'SIGKILL');
    const sessions = async () => (await fog.client.call('nodeEvents', { params: { node: nodeId }, query: {} })).items;
    const connections = async () => (await sessions()).filter(({ data: { type } }) => type === 'node.connected').length;
    await until('another agent', async () => (await connections()) === 2);
    const before = await log(moving);
    assert.equal((await attempt(moving)).state, 'suspended');
    await moving.resume();
    await until('more steps', async () => (await log(moving)).length > before.length);
    await fog.client.call('drainNode', { params: { node: nodeId }, body: { deadline: '1h' } });
    await assertMoved(moving, ['yielded', 'valid']);
    assert.match(await log(moving), /restored 1 at ([5-9]|[1-5]\d)\n/);
    await until('the removal of all containers', async () => (await engine.containers()) === 0);
  });
});
