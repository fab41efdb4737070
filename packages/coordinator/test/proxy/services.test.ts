/** Health as nodes report it, and what the proxy reads of services, over both databases. */
import assert from 'node:assert/strict';
import { type JobSpecInput, parseJobSpec } from '@fog/contract';
import { PROXY_LIMITS } from '../../src/limits.ts';
import { publishedPorts, Services } from '../../src/proxy/services.ts';
import { readEvents, readTasks } from '../../src/store/job-queries.ts';
import { ALICE, deploy, deployed, service, willing } from '../deployments/deployment-scene.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { Fog } from '../dispatch/fog-harness.ts';

const SERVICE = parseJobSpec({
  kind: 'Job',
  spec: {
    type: 'service',
    task: { runtime: 'process', process: { command: ['x'] }, ports: [{ name: 'web', port: 80, protocol: 'http' }] },
  },
});

function serving(port: number): JobSpecInput {
  const { spec, ...rest } = service({ count: 1 });
  return { ...rest, spec: { ...spec, task: { ...spec.task, ports: [{ name: 'web', port, protocol: 'http' }] } } };
}

async function running(fog: Fog) {
  const agent = await fog.connected();
  const job = await fog.submit({ spec: { count: 2 } });
  await fog.settle();
  const [one, two] = agent.attempts;
  assert.ok(one !== undefined && two !== undefined);
  for (const name of [one, two]) agent.report(name, { event: 'start' });
  await fog.settle();
  return { agent, job, one, two };
}

await onBothDatabases('services', {
  async 'the health of an attempt is stored, told, and kept by what follows'({ open }) {
    const fog = await open();
    const { agent, job, one } = await running(fog);
    const sick = { status: 'unhealthy', message: 'it says "no"\0', restarts: 0 } as const;
    agent.report(one, { event: 'health', ...sick });
    agent.report(one, { event: 'health', status: 'starting', message: '', restarts: 1 });
    agent.report(one, { event: 'progress', fraction: 0.5, message: 'half' });
    await fog.settle();
    const [task] = await readTasks(fog.database.read, job, { from: one.partition, limit: 1 });
    assert.deepEqual(task?.attempts[0]?.health, { status: 'starting', message: '', restarts: 1 });
    const events = await readEvents(fog.database.read, job, { after: 0, limit: 100 });
    const told = events.flatMap(({ data }) => (data.type === 'attempt.health' ? [data] : []));
    assert.deepEqual(told[0], { type: 'attempt.health', partition: one.partition, fence: 1, node: agent.id, ...sick });
    assert.equal(told.length, 2);
    agent.fail(one, 'unhealthy');
    agent.report(one, { event: 'health', status: 'healthy', message: '', restarts: 1 });
    await fog.settle();
    const [after] = await readTasks(fog.database.read, job, { from: one.partition, limit: 1 });
    assert.deepEqual([after?.attempts[0]?.state, after?.attempts[0]?.health?.status], ['failed', 'starting']);
  },

  async 'replicas are found with their health and the coordinator of their node, and remembered for a moment'({
    open,
  }) {
    const fog = await open();
    const { agent, job, one, two } = await running(fog);
    const owner = { kind: 'job', id: job } as const;
    agent.report(two, { event: 'health', status: 'healthy', message: 'well', restarts: 0 });
    await fog.settle();
    let now = 0;
    const services = new Services(fog.database, () => now);
    const caller = { scope: 'submit', principal: 'alice' } as const;
    const { replicas } = await services.find(caller, owner);
    assert.deepEqual(
      replicas.map(({ partition, state, node, nodeState, health }) => [
        ...[partition, state, node === agent.id, nodeState],
        health?.status,
      ]),
      [
        [0, 'running', true, 'connected', undefined],
        [1, 'running', true, 'connected', 'healthy'],
      ],
    );
    agent.fail(one);
    await fog.settle();
    assert.equal((await services.find(caller, owner)).replicas.length, 2);
    now += PROXY_LIMITS.cacheMilliseconds;
    assert.equal((await services.find(caller, owner)).replicas.length, 1);
    await assert.rejects(services.find({ scope: 'submit', principal: 'mallory' }, owner), { code: 'not-found' });
    await assert.rejects(services.find({ scope: 'node', principal: 'olga' }, owner), { code: 'not-found' });
    await services.find({ scope: 'admin', principal: 'admin' }, owner);
    await assert.rejects(services.find(caller, { kind: 'job', id: `j${'0'.repeat(18)}` }), { code: 'not-found' });
  },

  async 'a port is one that the job publishes, while it lives'({ open }) {
    const fog = await open();
    const { job } = await running(fog);
    const owner = { kind: 'job', id: job } as const;
    const caller = { scope: 'admin', principal: 'admin' } as const;
    const services = new Services(fog.database);
    const batch = await services.find(caller, owner);
    assert.throws(() => publishedPorts(batch, 'web'), { code: 'not-found', hint: 'only services publish ports' });
    const jobs = batch.jobs.map((found) => ({ ...found, spec: SERVICE }));
    const served = { ...batch, jobs };
    assert.deepEqual(
      [...publishedPorts(served, 'web')].map(([id, { port }]) => [id, port]),
      [[job, 80]],
    );
    assert.throws(() => publishedPorts(served, 'other'), { code: 'not-found', hint: 'it publishes web' });
    const ended = { ...served, jobs: jobs.map((found) => ({ ...found, endedAt: 1, state: 'cancelled' as const })) };
    assert.throws(() => publishedPorts(ended, 'web'), { code: 'conflict' });
  },

  async 'a replica that pauses after a failure is known as such, with the failure'({ open }) {
    const fog = await open();
    await willing(fog);
    await deploy(fog, service({ count: 1 }, ['fails']));
    await fog.settle();
    const { tasks, replicas } = await new Services(fog.database).find(ALICE, { kind: 'deployment', id: 'web' });
    assert.deepEqual(
      [replicas, tasks.map(({ partition, waitsFor, failure }) => [partition, waitsFor, failure])],
      [[], [[0, 'pause', 'exit-code: as told']]],
    );
  },

  async 'a deployment is reached over the replicas of all its revisions, by its owner alone'({ open }) {
    const fog = await open();
    const owner = { kind: 'deployment', id: 'web' } as const;
    await willing(fog);
    await deployed(fog, serving(80));
    await deploy(fog, serving(81));
    await fog.settle();
    const services = new Services(fog.database);
    const { jobs, replicas, tasks } = await services.find(ALICE, owner);
    const ports = publishedPorts({ title: 'deployment web', jobs, replicas, tasks }, 'web');
    assert.deepEqual(
      jobs.map(({ id }) => ports.get(id)?.port),
      [81, 80],
      'the newest first',
    );
    assert.equal(new Set(replicas.map(({ job }) => job)).size, 2, 'both revisions have a replica');
    for (const caller of [
      { scope: 'submit', principal: 'mallory' },
      { scope: 'admin', principal: 'root' },
    ] as const) {
      await assert.rejects(services.find(caller, owner), { code: 'not-found', hint: 'fog rollout ls' });
    }
  },
});
